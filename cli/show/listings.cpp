// What the commands that look something up print.

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "domain/text.hpp"
#include "events/messages.hpp"
#include "show/output.hpp"

namespace tickstock::cli {

namespace {

/// Returns the last line of a list.
template <typename Items>
std::string part_of(const Items& shown, std::int64_t total, const std::string& one) {
  return fmt::format("{} of {}\n", shown.size(), counted(total, one, one + "s"));
}

std::int64_t published(const tables::RunView& view) {
  return view.record.events - view.pending - view.given_up;
}

void write_progress(json::Writer& json, int step) {
  if (step == 0) return void(json.value(std::nullopt));
  json.object("current_step", events::step_names[static_cast<std::size_t>(step - 1)],
              "completed_steps", step - 1, "total_steps", 5, "percentage", (step - 1) * 20);
}

/// Writes what documents say about a run.
void write_run(json::Writer& json, const tables::RunView& view) {
  const RunRecord& run = view.record;
  json.put("run_id", run.run_id, "job_id", run.run_id, "mode", run.mode, "status",
           application_status(run.status), "sync_status", to_string(run.status), "triggered_by",
           run.triggered_by, "as_of", to_string(run.as_of), "start_time", run.started_at,
           "end_time", run.finished_at, "duration_seconds", run.duration_seconds);
  write_progress(json.key("progress"), view.step);
  json.put("approved", run.approved, "plan_digest", run.plan_digest, "guards",
           json::Raw{run.guards}, "task_results", json::Raw{run.task_results});
  json.put("symbols", run.symbols, "eligible", run.eligible, "total_changes", run.total_changes,
           "universes_changed", run.universes_changed);
  json.put("members", json::object("added", run.members_added, "removed", run.members_removed,
                                   "moved", run.members_moved));
  json.put("events",
           json::object("enabled", run.events_enabled, "published", published(view), "pending",
                        view.pending, "given_up", view.given_up, "listeners", run.listeners));
  json.put("error", run.error);
}

/// The least to show of a time: day, hour and minute, and a sign for the rest.
constexpr std::size_t width_to_the_minute = 17;

Table::Column cut(const char* title) { return {title, false, true}; }
Table::Column number(const char* title) { return {title, true}; }

Color color_of_status(RunStatus status) {
  if (status == RunStatus::completed) return Color::green;
  const bool is_open = status == RunStatus::running || status == RunStatus::completed_with_errors;
  return is_open ? Color::yellow : Color::red;
}

std::string took(const RunRecord& run) {
  return run.duration_seconds ? fmt::format("{:.3f} s", *run.duration_seconds) : "-";
}

std::string events_text(const tables::RunView& view) {
  if (!view.record.events_enabled) return "switched off";
  return fmt::format("{} published, {} pending{}{}", published(view), view.pending,
                     view.given_up > 0 ? fmt::format(", {} dropped", view.given_up) : "",
                     view.record.listeners == 0 ? "; nobody listened" : "");
}

/// Returns a time with milliseconds as `2026-08-21T20:10:03Z`.
std::string to_the_second(const std::string& time) {
  const std::size_t point = time.find('.');
  return point == std::string::npos ? time : time.substr(0, point) + "Z";
}

std::string as_csv(const tables::History& history) {
  std::string text =
      "run_id,mode,triggered_by,sync_status,as_of,start_time,end_time,duration_seconds,"
      "total_changes,universes_changed,added,removed,moved,error\n";
  for (const tables::RunView& view : history.runs) {
    const RunRecord& run = view.record;
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", run.run_id,
                        csv_field(run.mode), csv_field(run.triggered_by), to_string(run.status),
                        to_string(run.as_of), run.started_at, run.finished_at.value_or(""),
                        run.duration_seconds ? fmt::format("{:.6f}", *run.duration_seconds) : "",
                        run.total_changes, run.universes_changed, run.members_added,
                        run.members_removed, run.members_moved, csv_field(run.error.value_or("")));
  }
  return text;
}

std::string as_csv(const tables::Changes& found) {
  std::string text = "run_id,as_of,changed_at,task,universe,action,reason,added,removed,moved";
  text += found.filter.symbol ? ",symbol,change,why\n" : "\n";
  for (const tables::ChangeView& change : found.changes) {
    text +=
        fmt::format("{},{},{},{},{},{},{},{},{},{}", change.run_id, change.as_of, change.changed_at,
                    csv_field(change.task), csv_field(change.universe), csv_field(change.action),
                    csv_field(change.reason), change.added, change.removed, change.moved);
    if (found.filter.symbol) {
      text += fmt::format(",{},{},{}", csv_field(*found.filter.symbol), change.change,
                          csv_field(change.why.value_or("")));
    }
    text += '\n';
  }
  return text;
}

/// The word for each level, and its color.
constexpr std::array<std::pair<std::string_view, Color>, 3> levels{
    {{"ok", Color::green}, {"warning", Color::yellow}, {"failed", Color::bold_red}}};

/// How wide a line may get before what follows a value moves to the right.
constexpr std::size_t widest_value = 40;

/// Returns the first line, which names the file that was read.
std::string title_of(const Settings& settings) {
  if (!settings.config_file.empty()) return "# " + printable(settings.config_file) + "\n";
  const std::string& missing = settings.missing_config_file;
  return "# no configuration file" +
         (missing.empty() ? "\n" : ": " + printable(missing) + " does not exist\n");
}

}  // namespace

std::string show_run(const tables::RunView& view, const Output& output) {
  if (output.json()) return document([&](json::Writer& json) { write_run(json, view); });
  const RunRecord& run = view.record;
  std::string text =
      fmt::format("run {}: {}{}\n", run.run_id,
                  output.screen().paint(color_of_status(run.status), to_string(run.status)),
                  view.step > 0 ? fmt::format(", step {}/5", view.step) : "");
  const auto field = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{:<13} {}", name, wrapped(printable(value), 14, output.screen()));
  };
  field("mode", run.mode);
  field("triggered by", run.triggered_by);
  field("as of", to_string(run.as_of));
  field("started", run.started_at);
  if (run.finished_at) field("finished", *run.finished_at);
  if (run.duration_seconds) field("took", took(run));
  if (run.plan_digest) field("plan", *run.plan_digest);
  field("changes", fmt::format("{} in {}; {} added, {} removed, {} moved", run.total_changes,
                               counted(run.universes_changed, "universe", "universes"),
                               counted(run.members_added, "member", "members"), run.members_removed,
                               run.members_moved));
  if (!view.universes.empty()) {
    field("universes", fmt::format("{}", fmt::join(view.universes, ", ")));
  }
  field("events", events_text(view));
  if (run.approved) field("approved", "with --approve-plan");
  // Left whole: it may end with a command to copy.
  if (run.error) text += fmt::format("{:<13} {}\n", "error", printable(*run.error));
  for (const std::string& refusal : view.refusals)
    field(run.approved ? "overrode" : "refused by", refusal);
  return text;
}

std::string show_history(const tables::History& history, const Output& output) {
  if (output.listing == "csv") return as_csv(history);
  if (output.listing == "json") {
    const auto write_one = [](json::Writer& json, const tables::RunView& view) {
      json.object([&](json::Writer& object) { write_run(object, view); });
    };
    return document(
        "runs", json::list(history.runs, write_one), "total", history.total, "statistics",
        json::object("completed", history.completed, "failed",
                     history.total - history.completed - history.running, "running",
                     history.running, "average_duration_seconds", history.average_duration),
        "limit", history.page.limit, "offset", history.page.offset);
  }
  // Ids are passed to other commands, so show them whole.
  Table table({{"started", false, true, width_to_the_minute},
               {"run"},
               {"mode", false, true, 5},
               cut("status"),
               number("changes"),
               number("took")});
  for (const tables::RunView& view : history.runs) {
    const RunRecord& run = view.record;
    table.add({to_the_second(run.started_at), run.run_id, printable(run.mode),
               std::string(to_string(run.status)), std::to_string(run.total_changes), took(run)},
              3, color_of_status(run.status));
  }
  return table.text(output.screen()) + part_of(history.runs, history.total, "run");
}

std::string show_changes(const tables::Changes& found, const Output& output) {
  const std::optional<std::string>& symbol = found.filter.symbol;
  if (output.listing == "csv") return as_csv(found);
  if (output.listing == "json") {
    const auto write_one = [&symbol](json::Writer& json, const tables::ChangeView& change) {
      json.begin_object();
      tables::each_column(change, [&](std::string_view name, const auto& value) {
        if (!symbol && (name == "change" || name == "why")) return;
        if (name == "change") json.put("symbol", *symbol);
        using Kind = std::remove_cvref_t<decltype(value)>;
        if constexpr (std::same_as<Kind, std::optional<std::string>>) {
          if (name != "why") return void(json.put(name, json::Raw{value ? *value : "null"}));
        }
        json.put(name, value);
      });
      json.end_object();
    };
    return document("changes", json::list(found.changes, write_one), "total", found.total, "limit",
                    found.page.limit, "offset", found.page.offset);
  }
  Table table({{"as of"}, cut("universe"), {"change"}, cut("reason"), {"run"}});
  for (const tables::ChangeView& change : found.changes) {
    // How many were added, removed and moved, and why; for a symbol, what happened to it.
    const char sign = change.change == "added" ? '+' : change.change == "removed" ? '-' : '~';
    const std::string what =
        symbol ? fmt::format("{} {}", sign, printable(*symbol))
               : fmt::format("+{} −{} ~{}", change.added, change.removed, change.moved);
    const std::string why =
        change.change == "moved" ? "moved" : printable(change.why.value_or(change.reason));
    table.add({change.as_of, printable(change.universe), what, why, change.run_id},
              symbol ? 2 : Table::nothing, color_of(sign));
  }
  return table.text(output.screen()) + part_of(found.changes, found.total, "change");
}

std::string show_events(const std::vector<tables::StoredEvent>& events, const Output& output) {
  Table table({{"id", true}, {"stored"}, cut("state"), cut("event"), {"run"}});
  std::string lines;
  for (const tables::StoredEvent& each : events) {
    if (output.json()) {
      lines += json::Writer(json::BadText::escape)
                   .object("id", each.id, "event_id", each.event_id, "channel", each.channel,
                           "message", each.body)
                   .text() +
               "\n";
    } else {
      table.add({std::to_string(each.id), to_the_second(each.created_at), each.state,
                 printable(each.event), printable(each.run_id)});
    }
  }
  return output.json() ? lines : table.text(output.screen());
}

std::string show_universes(const std::vector<tables::EntrySummary>& entries, const Output& output) {
  if (output.json()) {
    const auto write_one = [](json::Writer& json, const tables::EntrySummary& entry) {
      json.object("universe", entry.universe, "type", entry.type, "symbol_count", entry.symbols,
                  "last_updated", entry.updated_at);
    };
    return document("exit_code", 0, "success", true, "universes", json::list(entries, write_one));
  }
  const auto shown = [](const std::optional<std::string>& text) {
    return text ? printable(*text) : "-";
  };
  Table table({cut("universe"), cut("type"), number("symbols"), {"last updated"}});
  for (const tables::EntrySummary& entry : entries) {
    table.add({shown(entry.universe), shown(entry.type),
               entry.symbols ? std::to_string(*entry.symbols) : "-", shown(entry.updated_at)});
  }
  return table.text(output.screen()) + counted(entries.size(), "universe", "universes") + "\n";
}

std::string show_findings(const std::vector<sync::Finding>& findings, int exit_status,
                          const Output& output) {
  if (output.json()) {
    const auto write_one = [](json::Writer& json, const sync::Finding& finding) {
      json.object("level", levels[static_cast<std::size_t>(finding.level)].first, "message",
                  finding.words(), "hint", json::null_if_empty(finding.hint));
    };
    return document("exit_code", exit_status, "success", exit_status == 0, "findings",
                    json::list(findings, write_one));
  }
  const Screen screen = output.screen();
  std::string text;
  for (const sync::Finding& finding : findings) {
    const auto& [word, color] = levels[static_cast<std::size_t>(finding.level)];
    const bool is_failure = finding.level == sync::Finding::Level::failure;
    text += fmt::format("{} {}\n",
                        screen.paint(color, fmt::format("{:<8}", is_failure ? "FAILED" : word)),
                        printable(finding.words()));
  }
  return text;
}

std::string show_config(const Settings& settings) {
  Settings shown = settings;
  if (settings.output.json()) {
    constexpr std::array<std::string_view, 4> kinds{"default", "file", "environment", "flag"};
    const auto write_setting = [&](json::Writer& json, const Setting& each) {
      const Origin origin = settings.origin(each.name);
      json.object("section", each.section(), "key", each.key(), "value", each.value(), "origin",
                  kinds[static_cast<std::size_t>(origin.kind)], "given_by",
                  json::null_if_empty(origin.name));
    };
    return document("exit_code", 0, "success", true, "config_file",
                    json::null_if_empty(settings.config_file), "settings",
                    json::list(rows_of(shown), write_setting), [&](json::Writer& json) {
                      const std::string& universes = settings.declared.json;
                      if (!universes.empty()) json.put("universes", json::Raw{universes});
                    });
  }
  std::string text = title_of(settings);
  std::string section;
  for (const Setting& each : rows_of(shown)) {
    if (each.section() != section) text += "\n[" + (section = each.section()) + "]\n";
    const std::optional<Value> value = each.value();
    const Origin origin = settings.origin(each.name);
    const std::string from = origin.kind == Origin::Kind::fallback ? "default" : origin.name;
    text +=
        fmt::format("{:<{}}  # {}\n",
                    printable(value ? each.key() + " = " + toml_text(*value) : "# " + each.key()),
                    widest_value, value ? printable(from) : "not set");
  }
  return text + settings.declared.toml;
}

std::string config_example() {
  std::string text = R"(# Configuration of tickstock-cache; see tickstock-cache.toml(5).
#
# Everything is optional. A commented line shows the default, or an example if that is none or off.
# Flags take precedence over the environment, and the environment over this file.
# 'tickstock-cache config' shows the effective settings and their origin.
#
# The file is named by --config or TICKSTOCK_CACHE_CONFIG. A file with a password must be
# readable only by its owner: chmod 600.
)";
  if (*default_config_file != '\0') {
    text += fmt::format("# If neither is given, {} is read.\n", default_config_file);
  }
  std::string section;
  for (const Setting& each : setting_table()) {
    if (each.section() != section) text += "\n[" + (section = each.section()) + "]\n";
    std::string ways = each.flag;
    if (each.is_address()) ways += ", " + each.flag + "-file, " + each.variable();
    text += "\n# " + each.meaning + "." + (ways.empty() ? "" : " Also: " + ways) + "\n";
    const std::optional<Value> value = each.example ? each.example : each.value();
    text += "#" + each.key() + " = " + toml_text(*value) + "\n";
  }
  return text + R"(
# Universes besides the ten; see tickstock-cache-universes(7). Without them sector and theme entries
# only lose members. Remove the # to keep one universe for each sector, and its ten largest.

#[[universe]]
#name = "sector_{sector}"
#each = "sector"
#type = "sector"

#[[universe]]
#name = "top_10_{sector}"
#each = "sector"
#type = "sector_leader"
#first = 10
)";
}

std::string json_failure(const Error& error, int exit_status) {
  return document("exit_code", exit_status, "success", false, "errors", std::array{error.what()},
                  "error", error.what(), "object", json::null_if_empty(error.object()), "hint",
                  json::null_if_empty(error.hint()));
}

void print(std::string_view text, io::Patience& patience, Tells tells) {
  const io::Settling settling(patience);
  const int error = io::write_all(STDOUT_FILENO, text, [&patience] {
    const io::Deadline never = io::Deadline::never();
    return patience.wait(STDOUT_FILENO, POLLOUT, never) == io::Readiness::ready;
  });
  if (error == 0 || (error == EPIPE && tells == Tells::what_is)) return;
  constexpr std::array<const char*, 3> hints{
      "", "Only the report of it is lost: what it reports was done.",
      "See 'tickstock-cache status' for what was done."};
  const bool is_ended = tells == Tells::what_is && patience.signalled();
  throw Error(is_ended ? ErrorKind::interrupted : ErrorKind::output,
              "the result could not be written to standard output: " +
                  (error == ETIMEDOUT ? "nobody reads it" : std::generic_category().message(error)),
              {.object = "standard output", .hint = hints[static_cast<std::size_t>(tells)]});
}

}  // namespace tickstock::cli
