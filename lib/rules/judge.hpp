#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "domain/market.hpp"
#include "domain/text.hpp"
#include "rules/explain.hpp"
#include "rules/universe.hpp"

// Puts into words what explain() says about single conditions.
namespace tickstock {

/// A symbol as every universe sees it.
struct Subject {
  const Market& market;
  SymbolId id;
  double cap;  ///< US dollars, even if it is not active; 0 for none

  [[nodiscard]] std::string_view name() const { return market.name(id); }
};

Subject subject_of(const Market& market, SymbolId symbol);

/// A decision, and what would change it.
struct Part {
  Decision decision;
  std::string need = {};    ///< what it takes to hold, as the object of "needs"
  std::string loss = {};    ///< when it stops holding, to follow "leaves"
  double more = 0;          ///< US dollars of market cap missing, if that is all
  std::size_t ranks = 0;    ///< ranks missing, if a better rank would do
  bool is_patient = false;  ///< a member leaves only after some nights without it
  bool waits = false;       ///< it holds only because the member waits
};

/// How lenient a universe is with its members.
struct Slack {
  int band = 0;              ///< percent by which market cap bounds are widened
  bool keeps_blank = false;  ///< a blank label counts as that of the universe
};

/// Judges a condition for a symbol as if it were active.
Part judge(const Condition& condition, const Subject& subject, const Slack& slack = {});

/// Judges whether the symbol is active.
Part judge_activity(const Subject& subject);

/// Judges whether the symbol is not delisted. That is all a member needs if the entry only gets
/// additions, or is only cleaned.
Part judge_presence(const Subject& subject);

/// Returns the part for an entry that can't be read and is therefore left unchanged.
Part judge_unreadable(const Entry& entry);

/// Formats an amount, rounded to about three digits so that it is still enough: `$1.2 B`.
std::string enough(double amount);

}  // namespace tickstock
