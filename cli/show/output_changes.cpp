#include <fmt/format.h>

#include "json/json.hpp"
#include "show/output.hpp"
#include "show/printable.hpp"
#include "show/table.hpp"

namespace tickstock::cli {

namespace {

char sign_of(std::string_view change) {
  return change == "added" ? '+' : change == "removed" ? '-' : '~';
}

/// How many came, went and moved, and why; of a symbol what became of it.
void add_row(Table& table, const tables::ChangeView& change,
             const std::optional<std::string>& symbol) {
  const std::string universe = printable(change.universe);
  if (!symbol) {
    table.add({change.as_of, universe,
               fmt::format("+{} −{} ~{}", change.added, change.removed, change.moved),
               printable(change.reason), change.run_id});
    return;
  }
  const char sign = sign_of(change.change);
  const Color color = sign == '+' ? Color::green : sign == '-' ? Color::red : Color::yellow;
  table.add({change.as_of, universe, fmt::format("{} {}", sign, printable(*symbol)),
             change.change == "moved" ? "moved" : printable(change.why.value_or(change.reason)),
             change.run_id},
            2, color);
}

}  // namespace

std::string text_changes(const tables::Changes& found, const std::optional<std::string>& symbol,
                         const Screen& screen) {
  Table table({{"as of", false, false},
               {"universe", false, true},
               {"change", false, false},
               {"reason", false, true},
               {"run", false, true}});
  for (const tables::ChangeView& change : found.changes) add_row(table, change, symbol);
  return table.text(screen) +
         fmt::format("{} of {}\n", found.changes.size(),
                     counted(static_cast<std::uint64_t>(found.total), "change", "changes"));
}

std::string json_changes(const tables::Changes& found, const std::optional<std::string>& symbol,
                         std::int64_t limit, std::int64_t offset) {
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("schema_version").number(1);
  json.key("changes").begin_array();
  for (const tables::ChangeView& change : found.changes) {
    json.begin_object();
    json.key("run_id").string(change.run_id);
    json.key("as_of").string(change.as_of);
    json.key("changed_at").string(change.changed_at);
    json.key("task").string(change.task);
    json.key("universe").string(change.universe);
    json.key("action").string(change.action);
    json.key("reason").string(change.reason);
    json.key("added").number(change.added);
    json.key("removed").number(change.removed);
    json.key("moved").number(change.moved);
    if (symbol) {
      json.key("symbol").string(*symbol);
      json.key("change").string(change.change);
      json.key("why").string_or_null(change.why);
    }
    json.end_object();
  }
  json.end_array();
  json.key("total").number(found.total);
  json.key("limit").number(limit);
  json.key("offset").number(offset);
  json.end_object();
  return json.text() + "\n";
}

}  // namespace tickstock::cli
