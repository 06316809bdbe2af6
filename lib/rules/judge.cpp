#include "rules/judge.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "rules/reason.hpp"

namespace tickstock {

namespace {

/// Formats a market cap with enough digits to show on which side of a bound it is.
std::string beside(double cap, double bound) {
  const double unit = cap >= 1e12 ? 1e12 : cap >= 1e9 ? 1e9 : 1e6;
  const char* const name = cap >= 1e12 ? "T" : cap >= 1e9 ? "B" : "M";
  for (int digits = 2; cap >= 1e6 && digits < 10; ++digits) {
    const double power = std::pow(10, digits);
    const double shown = std::round(cap / unit * power) / power * unit;
    const bool is_true = (shown < bound) == (cap < bound);
    if (is_true) return fmt::format("${:.{}f} {}", cap / unit, digits, name);
  }
  return cap == std::floor(cap) ? fmt::format("${:.0f}", cap) : fmt::format("${}", cap);
}

/// Puts into words what one condition of a universe says about a symbol, as if it were active.
struct Judge {
  const Subject& subject;
  const Slack& slack;
  int band = slack.band;

  Part operator()(const HasCap& /*any*/) const {
    return {{"has a market cap", cap(0), subject.cap > 0}, "a market cap"};
  }
  Part operator()(const CapFrom& bound) const {
    const double from = bound.dollars * (100 - band) / 100;
    const std::string least = dollars_text(from);
    Part part{{"market cap of at least " + least + widened(bound.dollars), cap(from),
               subject.cap > 0 && reaches(subject.cap, bound, band)},
              "a market cap of at least " + least,
              "below " + least};
    if (subject.cap > 0) part.more = std::max(from - subject.cap, 0.0);
    return part;
  }
  Part operator()(const CapBelow& bound) const {
    const double below = bound.dollars * (100 + band) / 100;
    const std::string most = dollars_text(below);
    return {{"market cap below " + most + widened(bound.dollars), cap(below),
             subject.cap > 0 && lies_below(subject.cap, bound, band)},
            (subject.cap > 0 ? "to fall below " : "a market cap below ") + most,
            "at " + most + " or more"};
  }
  Part operator()(const ListedWithin& window) const {
    const auto listed = subject.market.listed(subject.id);
    const Day as_of = subject.market.as_of();
    Part part{
        {fmt::format("listed within {} days", window.days),
         listed ? "listed " + to_string(*listed) : "no listing date",
         holds(window, subject.market, subject.id)},
        "a listing date of " + to_string(as_of - std::chrono::days{window.days - 1}) + " or later"};
    if (part.decision.holds) {
      part.loss = "on " + to_string(*listed + std::chrono::days{window.days});
    } else if (listed && *listed > as_of) {
      part.need = "to be listed, on " + to_string(*listed);
    }
    return part;
  }
  Part operator()(const Matches& match) const {
    const std::string_view label = subject.market.label(match.column, subject.id);
    const std::string values = joined(match.values, " or ");
    const bool is_kept = slack.keeps_blank && label.empty();
    return {{fmt::format("{} is {}{}", match.column, match.negated ? "not " : "", values),
             label.empty() ? is_kept ? "blank, which members may be" : "blank" : std::string(label),
             is_kept || holds(match, subject.market, subject.id)},
            match.negated ? "another " + match.column : match.column + " to be " + values,
            "when its " + match.column + " changes"};
  }
  Part operator()(const Named& named) const {
    const bool is_held = holds(named, subject.market, subject.id);
    if (!named.negated) {
      return {{"included by name", is_held ? "included" : "not included", is_held},
              "to be included by name",
              "when it is no longer included by name"};
    }
    return {{"not excluded by name", is_held ? "not excluded" : "excluded", is_held},
            "to be excluded no longer"};
  }

 private:
  [[nodiscard]] std::string cap(double bound) const {
    return subject.cap > 0 ? beside(subject.cap, bound) : "none";
  }
  [[nodiscard]] std::string widened(double dollars) const {
    if (band == 0) return "";
    return fmt::format(" ({} with a band of {} %)", dollars_text(dollars), band);
  }
};

}  // namespace

Subject subject_of(const Market& market, SymbolId symbol) {
  const auto listing = market.find(symbol);
  const bool has_cap = listing && std::isfinite(listing->market_cap) && listing->market_cap > 0;
  return {market, symbol, has_cap ? listing->market_cap : 0};
}

Part judge(const Condition& condition, const Subject& subject, const Slack& slack) {
  return std::visit(Judge{subject, slack}, condition);
}

Part judge_activity(const Subject& subject) {
  const std::string reason = departure_reason(subject.market, subject.id);
  const char* const need = !subject.market.knows(subject.id)     ? "a row in the symbols table"
                           : subject.market.delisted(subject.id) ? "to be listed again"
                                                                 : "is_active to be true";
  return {
      {"active", reason.empty() ? "active" : reason, reason.empty()}, need, "when it is delisted"};
}

Part judge_presence(const Subject& subject) {
  const std::string reason = departure_reason(subject.market, subject.id);
  return {
      {"not delisted", reason.empty() ? "active" : reason, !subject.market.delisted(subject.id)},
      "to be listed again",
      "when it is delisted"};
}

Part judge_unreadable(const Entry& entry) {
  return {{"its content can be read", std::string(unreadable_because(entry)), false},
          "a content that can be read"};
}

std::string enough(double amount) {
  constexpr std::array<std::pair<double, const char*>, 3> units{
      {{1e12, " T"}, {1e9, " B"}, {1e6, " M"}}};
  for (const auto& [unit, name] : units) {
    if (amount < unit) continue;
    // What is too small for a double to represent must not add a cent.
    return fmt::format("${:g}{}", std::ceil(amount / unit * 100 - 1e-6) / 100, name);
  }
  return fmt::format("${:.0f}", std::max(std::ceil(amount), 1.0));
}

}  // namespace tickstock
