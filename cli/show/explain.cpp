// What `explain` prints.

#include <fmt/format.h>

#include "show/output.hpp"

namespace tickstock::cli {

namespace {

/// `AAPL: $3.41 T, rank 1 of 7`.
std::string headline(const sync::ExplainReport& report) {
  if (report.past) return report.symbol + " on " + to_string(*report.past);
  const std::string what = !report.departure.empty() ? report.departure
                           : report.rank == 0
                               ? "no market cap"
                               : fmt::format("{}, rank {} of {}", dollars(report.market_cap),
                                             report.rank, report.ranked);
  return report.symbol + ": " + what;
}

}  // namespace

std::string show_explanation(const sync::ExplainReport& report, const Output& output) {
  if (output.json()) {
    const auto write_decision = [](json::Writer& json, const Decision& decision) {
      json.object("condition", decision.condition, "value", decision.value, "holds",
                  decision.holds);
    };
    const auto write_one = [&](json::Writer& json, const sync::ExplainReport::Universe& each) {
      json.object("universe", each.why.universe, "member", each.why.member, "since", each.since,
                  "run_id", each.run_id, "conditions",
                  json::list(each.why.decisions, write_decision));
    };
    return document("symbol", report.symbol, "as_of",
                    json::null_if_empty(report.past ? to_string(*report.past) : ""), "universes",
                    json::list(report.universes, write_one));
  }
  const Screen screen = output.screen();
  std::string text = wrapped(printable(headline(report)), 0, screen);
  for (const sync::ExplainReport::Universe& each : report.universes) {
    const std::string since =
        each.since ? fmt::format(" since {}, run {}", *each.since, *each.run_id) : "";
    text +=
        "\n" + wrapped(printable(fmt::format("{}: {}{}", each.why.universe,
                                             each.why.member ? "a member" : "not a member", since)),
                       0, screen);
    for (const Decision& decision : each.why.decisions) {
      const std::string_view mark = decision.holds ? "yes" : "no";
      const bool is_said = decision.value == decision.condition;
      text += fmt::format("  {}{} ", screen.paint(decision.holds ? Color::green : Color::red, mark),
                          decision.holds ? "" : " ") +
              wrapped(printable(decision.condition + (is_said ? "" : ": " + decision.value)), 6,
                      screen);
    }
    if (!report.past) text += "  " + wrapped(printable(each.why.outlook), 2, screen);
  }
  return text;
}

}  // namespace tickstock::cli
