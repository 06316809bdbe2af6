// What `members` and `explain` print.

#include <fmt/format.h>

#include "domain/text.hpp"
#include "show/output.hpp"

namespace tickstock::cli {

namespace {

std::string as_csv(const sync::MembersReport& report) {
  std::string text = "symbol,rank,cap\n";
  for (const sync::Member& member : report.members) {
    text += fmt::format("{},{},{}\n", csv_field(member.symbol),
                        member.rank ? std::to_string(*member.rank) : "",
                        member.market_cap ? fmt::format("{}", *member.market_cap) : "");
  }
  return text;
}

std::string as_text(const sync::MembersReport& report, const Screen& screen) {
  const bool is_past = !report.run_id.empty();
  std::vector<Table::Column> columns{{"place", true}, {"symbol", false, true}};
  if (!is_past) columns.insert(columns.end(), {{"rank", true}, {"market cap", true}});
  Table table(columns);
  for (std::size_t i = 0; i < report.members.size(); ++i) {
    const sync::Member& member = report.members[i];
    std::vector<std::string> cells{std::to_string(i + 1), printable(member.symbol)};
    if (!is_past) {
      cells.push_back(member.rank ? fmt::format("#{}", *member.rank) : "-");
      cells.push_back(member.market_cap ? dollars(*member.market_cap) : "-");
    }
    table.add(std::move(cells));
  }
  return table.text(screen) +
         fmt::format("{} of {} {}\n", counted(report.members.size(), "member", "members"),
                     printable(report.universe),
                     is_past ? fmt::format("after run {}, as of {}", report.run_id, report.as_of)
                             : "today, " + report.as_of);
}

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

std::string show_members(const sync::MembersReport& report, const Output& output) {
  if (output.listing == "csv") return as_csv(report);
  if (output.listing == "text") return as_text(report, output.screen());
  const auto write_one = [](json::Writer& json, const sync::Member& member) {
    json.object("symbol", member.symbol, "rank", member.rank, "cap", member.market_cap);
  };
  return document("universe", report.universe, "as_of", report.as_of, "run_id",
                  json::null_if_empty(report.run_id), "members",
                  json::list(report.members, write_one));
}

std::string show_explanation(const sync::ExplainReport& report, const Output& output) {
  if (output.json()) {
    const auto write_decision = [](json::Writer& json, const Decision& decision) {
      json.object("condition", decision.condition, "value", decision.value, "holds",
                  decision.holds);
    };
    const auto write_one = [&](json::Writer& json, const tables::Membership& each) {
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
  for (const tables::Membership& each : report.universes) {
    const std::string since =
        each.since ? fmt::format(" since {}, run {}", *each.since, *each.run_id) : "";
    text +=
        "\n" + wrapped(printable(fmt::format("{}: {}{}", each.why.universe,
                                             each.why.member ? "a member" : "not a member", since)),
                       0, screen);
    for (const Decision& decision : each.why.decisions) {
      const bool is_said = decision.value == decision.condition;
      text += "  " +
              (decision.holds ? screen.paint(Color::green, "yes") + " "
                              : screen.paint(Color::red, "no") + "  ") +
              wrapped(printable(decision.condition + (is_said ? "" : ": " + decision.value)), 6,
                      screen);
    }
    if (!report.past) text += "  " + wrapped(printable(each.why.outlook), 2, screen);
  }
  return text;
}

}  // namespace tickstock::cli
