// What a replay prints.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "domain/text.hpp"
#include "show/output.hpp"

namespace tickstock::cli {

namespace {

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
