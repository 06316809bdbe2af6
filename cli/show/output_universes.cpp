#include "json/json.hpp"
#include "show/output.hpp"
#include "show/printable.hpp"
#include "show/table.hpp"

namespace tickstock::cli {

namespace {

std::string shown(const std::optional<std::string>& text) { return text ? printable(*text) : "-"; }

}  // namespace

std::string text_universes(const std::vector<tables::EntrySummary>& entries, const Screen& screen) {
  Table table({{"universe", false, true},
               {"type", false, true},
               {"symbols", true, false},
               {"last updated", false, false}});
  for (const tables::EntrySummary& entry : entries) {
    table.add({shown(entry.universe), shown(entry.type),
               entry.symbols ? std::to_string(*entry.symbols) : "-", shown(entry.updated_at)});
  }
  return table.text(screen) + counted(entries.size(), "universe", "universes") + "\n";
}

std::string json_universes(const std::vector<tables::EntrySummary>& entries, int exit_status) {
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("schema_version").number(1);
  json.key("exit_code").number(exit_status);
  json.key("success").boolean(exit_status == 0);
  json.key("universes").begin_array();
  for (const tables::EntrySummary& entry : entries) {
    json.begin_object();
    json.key("universe").string_or_null(entry.universe);
    json.key("type").string_or_null(entry.type);
    json.key("symbol_count").number_or_null(entry.symbols);
    json.key("last_updated").string_or_null(entry.updated_at);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return json.text() + "\n";
}

}  // namespace tickstock::cli
