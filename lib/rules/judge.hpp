#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "domain/market.hpp"
#include "rules/explain.hpp"
#include "rules/universe.hpp"

// What explain() says of single conditions, in words.
namespace tickstock {

/// A symbol as every universe sees it.
struct Subject {
  const Market& market;
  SymbolId id;
  double cap;  ///< US dollars, whether it is active or not; 0 for none

  [[nodiscard]] std::string_view name() const { return market.name(id); }
};

Subject subject_of(const Market& market, SymbolId symbol);

/// A decision, and what would turn it.
struct Part {
  Decision decision;
  std::string need = {};    ///< what it takes to hold, as the object of "needs"
  std::string loss = {};    ///< when it ends, behind "leaves"
  double more = 0;          ///< US dollars of market cap that it takes, if that is all
  std::size_t ranks = 0;    ///< that it takes, if a better rank would do
  bool is_patient = false;  ///< a member leaves only after some nights without it
  bool waits = false;       ///< it holds only because its member waits
};

/// How a universe treats its members.
struct Slack {
  int band = 0;              ///< percent by which bounds of market cap are widened
  bool keeps_blank = false;  ///< a blank label counts as that of the universe
};

/// What a condition says of a symbol, as if it were active.
Part judge(const Condition& condition, const Subject& subject, const Slack& slack = {});

/// Whether the symbol is active.
Part judge_activity(const Subject& subject);

/// Whether it is not delisted, which is all that is asked of who stands in an entry to which is
/// only added, or that is only cleaned.
Part judge_presence(const Subject& subject);

/// An entry that can't be read, and is left alone.
Part judge_unreadable(const Entry& entry);

/// An amount that is enough, to three digits or so: `$1.2 B`.
std::string enough(double amount);

/// `A, B or C`. \param last stands before the last one
std::string joined(const std::vector<std::string>& words, std::string_view last);

}  // namespace tickstock
