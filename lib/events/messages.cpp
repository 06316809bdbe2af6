#include "events/messages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <set>

#include "events/sha256.hpp"
#include "json/json.hpp"
#include "rules/reason.hpp"

namespace tickstock::events {

namespace {

/// The part of an envelope besides its payload.
struct Head {
  const EventKind& kind;
  std::string run_id;
  std::string timestamp;
  std::string event_id;
  std::function<void(json::Writer&)> more = {};  ///< writes keys beside the payload
};

/// Returns the head of an event about a run. If there can be several of that kind for a run id,
/// pass a universe, a position or another text, too.
Head head_of(const EventKind& kind, const RunRecord& run, const std::string& timestamp,
             std::string_view universe = {}, std::uint64_t position = 0) {
  return {kind, run.run_id, timestamp, uuid_of(run.run_id, kind.event, universe, {}, position)};
}

template <typename... Payload>
Message envelope(const Head& head, const Payload&... payload) {
  json::Writer json;
  json.begin_object().put("event", head.kind.event, "event_id", head.event_id, "timestamp",
                          head.timestamp, "source", head.kind.source, "version", "1.0");
  if (head.more) head.more(json);
  json.put("payload", json::object("run_id", head.run_id, payload...)).end_object();
  return {head.event_id, std::string(head.kind.channel), std::string(head.kind.event), json.text()};
}

/// Writes how many members wait in a universe that lets them.
void write_waiting(json::Writer& json, const EntryWrite& write,
                   const std::vector<Waiting>& waiting) {
  if (!write.rule || write.rule->stability.nights == 1) return;
  json.put("waiting", std::ranges::count(waiting, write.universe, &Waiting::universe));
}

std::string_view category_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::redis: return "redis";
    case ErrorKind::refused:
    case ErrorKind::not_approved: return "validation";
    case ErrorKind::config:
    case ErrorKind::usage: return "configuration";
    case ErrorKind::interrupted:
    case ErrorKind::output: return "system";
    default: return "database";
  }
}

/// Returns what distinguishes a failed end from that of another attempt with the same run id.
std::string failure_of(const RunRecord& run) {
  const bool is_committed = application_status(run.status) == "completed";
  return is_committed ? "" : run.error.value_or("failed");
}

}  // namespace

std::string redis_acl(const std::string& user, const std::vector<std::string>& lists,
                      const std::string& stream) {
  std::string text = fmt::format(
      "# One command, which also removes an old password. Set a new one afterwards:\n"
      "#   ACL SETUSER {0} >PASSWORD\n"
      "ACL SETUSER {0} reset on resetkeys resetchannels",
      user);
  for (const EventKind& kind : event_kinds) text.append(" &").append(kind.channel);
  for (const std::string& list : lists) text.append(" ~").append(list);
  if (!stream.empty()) text.append(" ~").append(stream);
  // AUTH needs no permission; MULTI lets check find out whether the others are enough.
  text += " -@all +select +role +publish +multi";
  if (!lists.empty()) text += " +lpop";
  if (!stream.empty()) text += " +xadd +xinfo|stream +xrange +exec +discard +wait +asking";
  return text + "\n";
}

std::string uuid_of(std::string_view run_id, std::string_view task, std::string_view universe,
                    std::string_view symbol, std::uint64_t position) {
  Sha256 hash;
  hash.add("event").add(run_id).add(task).add(universe).add(symbol).add(position);
  const std::string hex = hash.hex();
  // The version, and two bits of the variant.
  const char variant = "89ab"[std::stoi(hex.substr(16, 1), nullptr, 16) % 4];
  return fmt::format("{}-{}-8{}-{}{}-{}", hex.substr(0, 8), hex.substr(8, 4), hex.substr(13, 3),
                     variant, hex.substr(17, 3), hex.substr(20, 12));
}

Message sync_triggered(const RunRecord& run, const std::string& timestamp) {
  return envelope(head_of(kinds::sync_triggered, run, timestamp), "job_id", run.run_id, "mode",
                  run.mode, "force", run.approved, "triggered_by", run.triggered_by);
}

std::vector<Message> task_events(const std::string& run_id, const std::string& timestamp,
                                 const TaskPlan& task, const std::vector<Waiting>& waiting,
                                 const Market& market, int ipo_days, std::size_t max_universes,
                                 std::size_t& omitted) {
  std::vector<Message> messages;
  // The events of a task differ by their position among them.
  const auto head = [&](const EventKind& kind, std::string_view universe, std::string_view symbol) {
    return Head{kind, run_id, timestamp,
                uuid_of(run_id, to_string(task.task), universe, symbol, messages.size())};
  };
  const bool limits = max_universes != 0 && task.task != Task::themes;
  for (const EntryWrite& write : task.writes) {
    if (limits && messages.size() == max_universes) {
      ++omitted;
      continue;
    }
    const MembershipDiff& diff = write.diff;
    messages.push_back(
        envelope(head(kinds::universe_updated, write.universe, {}), "universe", write.universe,
                 "action", write_action(write), "reason", write_reason(write), "metadata",
                 json::object("count", write.after->members.size(), "previous_count",
                              write.previous_count(), "added", diff.added.size(), "removed",
                              diff.removed.size(), "moved", diff.moved.size(),
                              [&](json::Writer& json) { write_waiting(json, write, waiting); })));
  }
  for_each_listing(task, market, ipo_days, [&](const EntryWrite& write, SymbolId id) {
    const std::string_view symbol = market.name(id);
    const Company& company = market.company(id);
    messages.push_back(envelope(head(kinds::ipo_assigned, write.universe, symbol), "symbol", symbol,
                                "universe", write.universe, "company_name", company.name,
                                "listing_date", to_string(*market.listed(id)), "sector",
                                company.sector));
  });
  if (task.task == Task::delisted && !task.writes.empty()) {
    std::uint64_t memberships = 0;
    std::vector<std::string_view> universes;
    std::set<std::string_view> symbols;
    for (const EntryWrite& write : task.writes) {
      memberships += write.diff.removed.size();
      universes.push_back(write.universe);
      for (const Placement& member : write.diff.removed) symbols.insert(market.name(member.symbol));
    }
    messages.push_back(envelope(head(kinds::delisting_cleanup, {}, {}), "removed_count",
                                memberships, "universes", universes, "symbols", symbols));
  }
  return messages;
}

Message sync_completed(const RunRecord& run, const std::string& timestamp) {
  const auto write_tasks = [&run](json::Writer& json) {
    json.begin_object();
    for (const TaskOutcome& task : run.tasks) {
      json.put(task.task,
               json::object("status", task.error ? "failed" : "success", "changes", task.changes));
    }
    json.end_object();
  };
  return envelope(head_of(kinds::sync_completed, run, timestamp, failure_of(run)), "job_id",
                  run.run_id, "mode", run.mode, "status", application_status(run.status),
                  "sync_status", to_string(run.status), "total_changes", run.total_changes,
                  "universes_updated", run.universes_updated, "universe_events_omitted",
                  run.universe_events_omitted, "duration_seconds", run.duration_seconds,
                  "task_results", write_tasks, "error", run.error);
}

std::string id_of_end(const std::string& run_id) {
  return uuid_of(run_id, kinds::sync_completed.event);
}

Message phase_completed(const RunRecord& run, const std::string& timestamp) {
  const std::string_view status = application_status(run.status);
  return envelope(
      head_of(kinds::phase_completed, run, timestamp, failure_of(run)), "phase", "cache_sync",
      "status", status, "stats",
      json::object("success", status == "completed", "run_id", run.run_id, "duration_seconds",
                   run.duration_seconds, "changes", run.total_changes),
      "error", run.error);
}

Message progress(const RunRecord& run, const std::string& timestamp, int step,
                 int completed_steps) {
  const auto position = static_cast<std::uint64_t>(completed_steps);
  return envelope(head_of(kinds::progress, run, timestamp, {}, position), "phase", "cache_sync",
                  "current_step", step_names[static_cast<std::size_t>(step - 1)], "completed_steps",
                  completed_steps, "total_steps", 5, "percentage", completed_steps * 20);
}

Message sync_error(const RunRecord& run, const std::string& timestamp, ErrorKind kind,
                   const std::string& message) {
  constexpr std::string_view component = "cache_sync_processing";
  const char* severity = kind == ErrorKind::outcome_unknown ? "critical" : "error";
  Head head = head_of(kinds::sync_error, run, timestamp, message);
  head.more = [&](json::Writer& json) {
    json.put("error_id", head.event_id, "severity", severity, "category", category_of(kind),
             "message", message, "component", component, "context",
             json::object("run_id", run.run_id, "mode", run.mode));
  };
  return envelope(head, "component", component, "severity", severity, "message", message,
                  "error_message", message);
}

void require_sendable(const std::vector<Message>& messages) {
  for (const Message& message : messages) {
    if (message.body.size() <= largest_message) continue;
    throw Error(ErrorKind::failed,
                fmt::format("event {} on channel {} would have {} bytes, and Redis takes {}",
                            message.event, message.channel, message.body.size(), largest_message),
                {.object = "event " + message.event,
                 .hint = "Shorten its content, or run once with --no-events."});
  }
}

}  // namespace tickstock::events
