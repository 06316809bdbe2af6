#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

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

using Sums = std::vector<std::optional<ReplaySum>>;  ///< of each policy that has the universe

std::string as_csv(const sync::ReplayReport& report, const std::vector<std::string>& files) {
  std::string text = "day,config,universe,changes,undone,members,off_rule\n";
  for (std::size_t i = 0; i < report.sides.size(); ++i) {
    for (std::size_t day = 0; day < report.days.size(); ++day) {
      for (const ReplayUniverse& universe : report.sides[i].universes) {
        const ReplayNight& night = universe.nights[day];
        fmt::format_to(std::back_inserter(text), "{},{},{},{},{},{},{}\n",
                       to_string(report.days[day]), csv_field(files[i]), csv_field(universe.name),
                       night.changes, night.undone, night.members, night.off_rule);
      }
    }
  }
  return text;
}

void write_changes(json::Writer& json, const ReplaySum& sum) {
  json.put("changes", sum.changes, "mean", sum.mean, "p95", sum.p95, "largest", sum.largest,
           "undone", sum.undone);
}

void write_universe(json::Writer& json, const ReplayUniverse& universe) {
  const ReplaySum sum = sum_of(universe.nights);
  json.begin_object().put("universe", universe.name);
  write_changes(json, sum);
  json.put("memberships", sum.memberships, "off_rule", sum.off_rule, "final_size", sum.final_size);
  json.end_object();
}

double percent_of(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100.0 * static_cast<double>(part) / static_cast<double>(whole);
}

/// One column of numbers.
struct Measure {
  const char* title;
  std::string (*text)(const ReplaySum& sum);
  const char* unit = "";
  /// Whether to omit it if two policies would not fit on a narrow screen.
  bool takes_room = false;
};

const std::vector<Measure> measures{
    {"changes a night", [](const ReplaySum& sum) { return fmt::format("{:.1f}", sum.mean); }},
    {"95 %", [](const ReplaySum& sum) { return fmt::format("{:.1f}", sum.p95); }, "", true},
    {"undone",
     [](const ReplaySum& sum) {
       return fmt::format("{:.0f}", percent_of(sum.undone, sum.changes));
     },
     " %"},
    {"largest", [](const ReplaySum& sum) { return std::to_string(sum.largest); }},
    {"off rule",
     [](const ReplaySum& sum) {
       return fmt::format("{:.1f}", percent_of(sum.off_rule, sum.memberships));
     },
     " %"},
    {"members", [](const ReplaySum& sum) { return std::to_string(sum.final_size); }}};

/// Returns `142.6 → 43.3`, one number per policy.
std::string side_by_side(const Sums& sums, const Measure& measure) {
  std::string text;
  for (const auto& sum : sums) {
    text += (text.empty() ? "" : " → ") + (sum ? measure.text(*sum) : std::string("-"));
  }
  return text + measure.unit;
}

/// Returns by how much the second policy reduces the changes.
std::string saving(const Sums& sums) {
  if (!sums[0] || !sums[1] || sums[0]->changes == 0) return "-";
  return fmt::format("{:+.0f} %", percent_of(sums[1]->changes, sums[0]->changes) - 100);
}

std::string as_text(const sync::ReplayReport& report, const std::vector<std::string>& files,
                    const Screen& screen) {
  constexpr std::size_t wide = 100;
  const bool compares = report.sides.size() > 1;
  const bool has_room = !compares || screen.width == 0 || screen.width >= wide;
  std::vector<Table::Column> columns{{"universe", false, true}};
  for (const Measure& measure : measures) {
    if (has_room || !measure.takes_room) columns.push_back({measure.title, true});
    if (compares && &measure == &measures.front()) columns.push_back({"", true});
  }
  Table table(columns);
  const std::size_t sides = report.sides.size();
  std::vector<std::pair<std::string, Sums>> rows;
  Sums total(sides);
  for (std::size_t i = 0; i < sides; ++i) {
    for (const ReplayUniverse& universe : report.sides[i].universes) {
      auto row = std::ranges::find(rows, universe.name, &std::pair<std::string, Sums>::first);
      if (row == rows.end()) row = rows.insert(row, {universe.name, Sums(sides)});
      row->second[i] = sum_of(universe.nights);
    }
    total[i] = sum_of(report.sides[i].total);
  }
  rows.emplace_back("all", total);
  for (const auto& [name, sums] : rows) {
    std::vector<std::string> cells{printable(name)};
    for (const Measure& measure : measures) {
      if (has_room || !measure.takes_room) cells.push_back(side_by_side(sums, measure));
      if (compares && &measure == &measures.front()) cells.push_back(saving(sums));
    }
    table.add(std::move(cells));
  }
  std::string compared;
  for (const std::string& file : files) {
    compared += (compared.empty() ? "" : " → ") + (file.empty() ? "defaults" : printable(file));
  }
  return table.text(screen) +
         fmt::format("{} from {} to {}; {}\n", counted(report.days.size(), "day", "days"),
                     to_string(report.days.front()), to_string(report.days.back()), compared);
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

std::string show_replay(const sync::ReplayReport& report, const std::vector<std::string>& files,
                        const Output& output) {
  if (output.listing == "csv") return as_csv(report, files);
  if (output.listing == "text") return as_text(report, files, output.screen());
  const auto write_side = [&](json::Writer& json, const sync::ReplayReport::Side& side) {
    const std::string& file = files[static_cast<std::size_t>(&side - report.sides.data())];
    json.object(
        "config", json::null_if_empty(file), "universes",
        json::list(side.universes, write_universe), "total",
        json::object([&](json::Writer& total) { write_changes(total, sum_of(side.total)); }));
  };
  return document("from", to_string(report.first), "to", to_string(report.last), "days",
                  report.days.size(), "policies", json::list(report.sides, write_side));
}

}  // namespace tickstock::cli
