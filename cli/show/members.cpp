// What `members` prints.

#include <fmt/format.h>

#include <cmath>
#include <iterator>

#include "domain/text.hpp"
#include "show/output.hpp"

namespace tickstock::cli {

namespace {

/// Returns nothing if it is not a number.
std::optional<double> cap_of(const sync::Member& member) {
  const bool is_number = member.market_cap && std::isfinite(*member.market_cap);
  return is_number ? member.market_cap : std::nullopt;
}

std::optional<std::size_t> rank_of(const sync::Member& member) {
  return member.rank == 0 ? std::nullopt : std::optional(member.rank);
}

std::string as_csv(const sync::MembersReport& report) {
  std::string text = "symbol,rank,cap\n";
  for (const sync::Member& member : report.members) {
    const auto rank = rank_of(member);
    const auto cap = cap_of(member);
    text += fmt::format("{},{},{}\n", csv_field(member.symbol), rank ? std::to_string(*rank) : "",
                        cap ? fmt::format("{}", *cap) : "");
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
      cells.push_back(member.rank == 0 ? "-" : fmt::format("#{}", member.rank));
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

}  // namespace

std::string show_members(const sync::MembersReport& report, const Output& output) {
  if (output.listing == "csv") return as_csv(report);
  if (output.listing == "text") return as_text(report, output.screen());
  const auto write_one = [](json::Writer& json, const sync::Member& member) {
    json.object("symbol", member.symbol, "rank", rank_of(member), "cap", cap_of(member));
  };
  return document("universe", report.universe, "as_of", report.as_of, "run_id",
                  json::null_if_empty(report.run_id), "members",
                  json::list(report.members, write_one));
}

}  // namespace tickstock::cli
