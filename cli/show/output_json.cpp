#include <cerrno>
#include <cstdio>
#include <limits>
#include <system_error>

#include "events/messages.hpp"
#include "exit_status.hpp"
#include "json/json.hpp"
#include "show/output.hpp"

namespace tickstock::cli {

namespace {

constexpr int schema_version = 1;

void strings(json::Writer& json, const std::vector<std::string>& values) {
  json.begin_array();
  for (const std::string& value : values) json.string(value);
  json.end_array();
}

void names(json::Writer& json, const std::vector<Placement>& members, const Market& market) {
  json.begin_array();
  for (const Placement& member : members) json.string(market.name(member.symbol));
  json.end_array();
}

void change_metadata(json::Writer& json, const Change& change, Task task, const Market& market) {
  const EntryWrite& write = *change.write;
  json.begin_object();
  if (task == Task::delisted) {
    json.key("removed_count").number(std::uint64_t{write.diff.removed.size()});
    json.key("removed_symbols");
    names(json, write.diff.removed, market);
  } else if (task == Task::ipo && change.symbol) {
    const auto listing = market.find(*change.symbol);
    json.key("listing_date")
        .text_or_null(listing && listing->listed ? to_string(*listing->listed) : "");
    json.key("sector").string_or_null(market.company(*change.symbol).sector);
  } else {
    json.key("count").number(std::uint64_t{write.after->members.size()});
    json.key("previous_count").number(std::uint64_t{write.previous_count()});
    json.key("added_symbols");
    names(json, write.diff.added, market);
    json.key("removed_symbols");
    names(json, write.diff.removed, market);
    json.key("moved").number(std::uint64_t{write.diff.moved.size()});
  }
  json.end_object();
}

void change_object(json::Writer& json, const Change& change, Task task,
                   const sync::Report& report) {
  const Market& market = report.snapshot->market;
  json.begin_object();
  json.key("change_type").string(change.change_type);
  json.key("universe").string(change.universe);
  json.key("symbol");
  if (change.symbol) {
    json.string(market.name(*change.symbol));
  } else {
    json.null();
  }
  json.key("action").string(change.action);
  json.key("reason").string(change.reason);
  json.key("timestamp").string(report.written_at);
  json.key("metadata");
  change_metadata(json, change, task, market);
  json.end_object();
}

void task_results(json::Writer& json, const sync::Report& report) {
  json.begin_object();
  for (const sync::TaskReport& task : report.tasks) {
    json.key(to_string(task.task)).begin_object();
    json.key("status").string(task.error ? "failed" : "success");
    json.key("changes_count").number(std::uint64_t{task.changes.size()});
    json.key("changes").begin_array();
    for (const Change& change : task.changes) change_object(json, change, task.task, report);
    json.end_array();
    json.key("error").string_or_null(task.error);
    json.end_object();
  }
  json.end_object();
}

void run_fields(json::Writer& json, const tables::RunView& view) {
  const RunRecord& run = view.record;
  json.key("run_id").string(run.run_id);
  json.key("job_id").string(run.run_id);
  json.key("mode").string(run.mode);
  json.key("status").string(application_status(run.status));
  json.key("sync_status").string(to_string(run.status));
  json.key("triggered_by").string(run.triggered_by);
  json.key("as_of").string(to_string(run.as_of));
  json.key("start_time").string(run.started_at);
  json.key("end_time").string_or_null(run.finished_at);
  json.key("duration_seconds").real_or_null(run.duration_seconds);
  json.key("progress");
  if (view.step > 0) {
    json.begin_object();
    json.key("current_step").string(events::step_names[static_cast<std::size_t>(view.step - 1)]);
    json.key("completed_steps").number(view.step - 1);
    json.key("total_steps").number(5);
    json.key("percentage").number((view.step - 1) * 20);
    json.end_object();
  } else {
    json.null();
  }
  json.key("approved").boolean(run.approved);
  json.key("plan_digest").string_or_null(run.plan_digest);
  json.key("guards").raw(run.guards);
  json.key("task_results").raw(run.task_results);
  json.key("symbols").number(run.symbols);
  json.key("eligible").number(run.eligible);
  json.key("total_changes").number(run.total_changes);
  json.key("universes_changed").number(run.universes_changed);
  json.key("members").begin_object();
  json.key("added").number(run.members_added);
  json.key("removed").number(run.members_removed);
  json.key("moved").number(run.members_moved);
  json.end_object();
  json.key("events").begin_object();
  json.key("enabled").boolean(run.events_enabled);
  json.key("published").number(run.events - view.pending - view.given_up);
  json.key("pending").number(view.pending);
  json.key("given_up").number(view.given_up);
  json.end_object();
  json.key("error").string_or_null(run.error);
}

std::string_view level_word(sync::Finding::Level level) {
  switch (level) {
    case sync::Finding::Level::good: return "ok";
    case sync::Finding::Level::warning: return "warning";
    case sync::Finding::Level::failure: return "failed";
  }
  return "";
}

}  // namespace

std::string json_report(const sync::Report& report, int exit_status) {
  const std::vector<std::string> errors = report.errors();
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("schema_version").number(schema_version);
  json.key("exit_code").number(exit_status);
  json.key("success").boolean(is_success(exit_status));
  json.key("run_id").text_or_null(report.run_id);
  json.key("mode").string(to_string(report.mode));
  json.key("dry_run").boolean(report.dry_run);
  json.key("as_of").text_or_null(report.as_of ? to_string(*report.as_of) : "");
  json.key("status").string(application_status(report.status));
  json.key("sync_status").string(to_string(report.status));
  json.key("sync_start").string(report.started_at);
  json.key("sync_end").string(report.finished_at);
  json.key("duration_seconds").real(report.duration_seconds);
  json.key("plan_digest").text_or_null(report.plan_digest);
  json.key("market_caps");
  if (report.snapshot) {
    const Market& market = report.snapshot->market;
    json.begin_object();
    json.key("from_prices").number(std::uint64_t{market.caps_from_prices()});
    json.key("from_column")
        .number(std::uint64_t{market.ranking().size() - market.caps_from_prices()});
    json.end_object();
  } else {
    json.null();
  }
  json.key("guards");
  sync::write_guards(json, report.guards);
  json.key("total_changes").number(report.total_changes());
  json.key("changes").number(report.total_changes());
  json.key("task_results");
  task_results(json, report);
  json.key("errors");
  strings(json, errors);
  json.key("warnings");
  json.begin_array();
  for (const Warning& warning : report.warnings) {
    json.string(warning.words(std::numeric_limits<std::size_t>::max()));
  }
  json.end_array();
  json.key("error").text_or_null(errors.empty() ? "" : errors.front());
  json.key("events").begin_object();
  json.key("published").number(report.events_published);
  json.key("pending").number(report.events_pending);
  json.end_object();
  json.end_object();
  return json.text() + "\n";
}

std::string json_status(const tables::RunView& view) {
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("schema_version").number(schema_version);
  run_fields(json, view);
  json.end_object();
  return json.text() + "\n";
}

std::string json_history(const tables::History& history, std::int64_t limit, std::int64_t offset) {
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("schema_version").number(schema_version);
  json.key("runs").begin_array();
  for (const tables::RunView& view : history.runs) {
    json.begin_object();
    run_fields(json, view);
    json.end_object();
  }
  json.end_array();
  json.key("total").number(history.total);
  json.key("statistics").begin_object();
  json.key("completed").number(history.completed);
  json.key("failed").number(history.total - history.completed - history.running);
  json.key("running").number(history.running);
  json.key("average_duration_seconds").real_or_null(history.average_duration);
  json.end_object();
  json.key("limit").number(limit);
  json.key("offset").number(offset);
  json.end_object();
  return json.text() + "\n";
}

std::string json_findings(const std::vector<sync::Finding>& findings, int exit_status) {
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("schema_version").number(schema_version);
  json.key("exit_code").number(exit_status);
  json.key("success").boolean(exit_status == 0);
  json.key("findings").begin_array();
  for (const sync::Finding& finding : findings) {
    json.begin_object();
    json.key("level").string(level_word(finding.level));
    json.key("message").string(finding.sentence);
    json.end_object();
  }
  json.end_array();
  json.end_object();
  return json.text() + "\n";
}

std::string json_failure(const std::string& message, int exit_status) {
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("schema_version").number(schema_version);
  json.key("exit_code").number(exit_status);
  json.key("success").boolean(false);
  json.key("errors").begin_array().string(message).end_array();
  json.key("error").string(message);
  json.end_object();
  return json.text() + "\n";
}

void print(const std::string& text, Tells tells) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0) {
    return;
  }
  const int reason = errno;
  if (reason == EPIPE && tells == Tells::what_is) return;
  throw Error(
      ErrorKind::output,
      "the result could not be written to standard output: " +
          std::generic_category().message(reason) +
          (tells == Tells::what_was_done ? "; what was done is on record ('tickstock-cache status')"
                                         : ""));
}

}  // namespace tickstock::cli
