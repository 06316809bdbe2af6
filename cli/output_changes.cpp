#include <fmt/format.h>

#include "json/writer.hpp"
#include "output.hpp"
#include "printable.hpp"

namespace tickstock::cli {

namespace {

char sign_of(std::string_view change) {
  return change == "added" ? '+' : change == "removed" ? '-' : '~';
}

/// `+ AAPL rose to rank 97` of the symbol that was asked for, else `+3 −3 ~34 Top 100 by …`.
std::string what_changed(const store::ChangeView& change,
                         const std::optional<std::string>& symbol) {
  if (!symbol) {
    return fmt::format("+{} −{} ~{} {}", change.added, change.removed, change.moved,
                       printable(change.reason));
  }
  const std::string why =
      change.change == "moved" ? "moved" : printable(change.why.value_or(change.reason));
  return fmt::format("{} {} {}", sign_of(change.change), printable(*symbol), why);
}

}  // namespace

std::string text_changes(const store::Changes& found, const std::optional<std::string>& symbol) {
  std::string text;
  for (const store::ChangeView& change : found.changes) {
    text += fmt::format("{} {} {}, run {}\n", change.as_of, printable(change.universe),
                        what_changed(change, symbol), change.run_id);
  }
  text += fmt::format("{} of {}\n", found.changes.size(),
                      counted(static_cast<std::uint64_t>(found.total), "change", "changes"));
  return text;
}

std::string json_changes(const store::Changes& found, const std::optional<std::string>& symbol,
                         std::int64_t limit, std::int64_t offset) {
  json::Writer json;
  json.begin_object();
  json.key("schema_version").number(1);
  json.key("changes").begin_array();
  for (const store::ChangeView& change : found.changes) {
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
