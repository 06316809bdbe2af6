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

using Fill = std::function<void(json::Writer&)>;

/// The envelope around a payload; `more` adds keys beside it.
Message envelope(const EventKind& kind, const std::string& run_id, const std::string& timestamp,
                 const std::string& event_id, const Fill& payload, const Fill& more = {}) {
  json::Writer json;
  json.begin_object().put("event", kind.event, "event_id", event_id, "timestamp", timestamp);
  json.put("source", kind.source, "version", "1.0");
  if (more) more(json);
  json.key("payload").begin_object().put("run_id", run_id);
  payload(json);
  json.end_object().end_object();
  return {event_id, std::string(kind.channel), std::string(kind.event), json.text()};
}

Message universe_updated(const std::string& run_id, const std::string& timestamp, Task task,
                         const EntryWrite& write, const std::vector<Waiting>& waiting,
                         std::uint64_t position) {
  const MembershipDiff& diff = write.diff;
  return envelope(
      kinds::universe_updated, run_id, timestamp,
      uuid_of(run_id, to_string(task), write.universe, {}, position), [&](json::Writer& json) {
        json.put("universe", write.universe, "action", write_action(write), "reason",
                 write_reason(write));
        json.key("metadata").begin_object();
        json.put("count", write.after->members.size(), "previous_count", write.previous_count());
        json.put("added", diff.added.size(), "removed", diff.removed.size(), "moved",
                 diff.moved.size());
        if (write.rule && write.rule->stability.nights > 1) {
          json.put("waiting",
                   std::count_if(waiting.begin(), waiting.end(), [&](const Waiting& each) {
                     return each.universe == write.universe;
                   }));
        }
        json.end_object();
      });
}

Message ipo_assigned(const std::string& run_id, const std::string& timestamp, Task task,
                     const EntryWrite& write, SymbolId id, const Market& market,
                     std::uint64_t position) {
  const std::string_view symbol = market.name(id);
  const Company& company = market.company(id);
  return envelope(
      kinds::ipo_assigned, run_id, timestamp,
      uuid_of(run_id, to_string(task), write.universe, symbol, position), [&](json::Writer& json) {
        json.put("symbol", symbol, "universe", write.universe, "company_name", company.name,
                 "listing_date", to_string(*market.listed(id)), "sector", company.sector);
      });
}

Message delisting_cleanup(const std::string& run_id, const std::string& timestamp,
                          const TaskPlan& task, const Market& market, std::uint64_t position) {
  std::uint64_t memberships = 0;
  std::vector<std::string_view> universes;
  std::set<std::string_view> symbols;
  for (const EntryWrite& write : task.writes) {
    memberships += write.diff.removed.size();
    universes.push_back(write.universe);
    for (const Placement& member : write.diff.removed) symbols.insert(market.name(member.symbol));
  }
  return envelope(
      kinds::delisting_cleanup, run_id, timestamp,
      uuid_of(run_id, to_string(Task::delisted), {}, {}, position), [&](json::Writer& json) {
        json.put("removed_count", memberships, "universes", universes, "symbols", symbols);
      });
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

}  // namespace

std::string redis_acl(const std::string& user, const std::vector<std::string>& lists) {
  std::string text = fmt::format(
      "# The user can log in once it has a password, which is given to it by\n"
      "#   ACL SETUSER {0} >PASSWORD\n"
      "# What follows is one command; it takes an old password away.\n"
      "ACL SETUSER {0} reset on resetkeys resetchannels",
      user);
  for (const EventKind& kind : event_kinds) text.append(" &").append(kind.channel);
  for (const std::string& list : lists) text.append(" ~").append(list);
  // AUTH needs no permission.
  return text + " -@all +select +role +publish" + (lists.empty() ? "" : " +lpop") + "\n";
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
  return envelope(kinds::sync_triggered, run.run_id, timestamp,
                  uuid_of(run.run_id, "cache_sync_triggered"), [&](json::Writer& json) {
                    json.put("job_id", run.run_id, "mode", run.mode, "force", run.approved,
                             "triggered_by", run.triggered_by);
                  });
}

std::vector<Message> task_events(const std::string& run_id, const std::string& timestamp,
                                 const TaskPlan& task, const std::vector<Waiting>& waiting,
                                 const Market& market, int ipo_days, std::size_t max_universes,
                                 std::size_t& omitted) {
  std::vector<Message> messages;
  std::size_t universes = 0;
  const bool limits = task.task != Task::themes;
  for (const EntryWrite& write : task.writes) {
    if (limits && max_universes != 0 && universes == max_universes) {
      ++omitted;
      continue;
    }
    messages.push_back(universe_updated(run_id, timestamp, task.task, write, waiting, universes++));
  }
  for_each_listing(task, market, ipo_days, [&](const EntryWrite& write, SymbolId symbol) {
    messages.push_back(
        ipo_assigned(run_id, timestamp, task.task, write, symbol, market, messages.size()));
  });
  if (task.task == Task::delisted && !task.writes.empty()) {
    messages.push_back(delisting_cleanup(run_id, timestamp, task, market, messages.size()));
  }
  return messages;
}

Message sync_completed(const RunRecord& run, const std::string& timestamp) {
  return envelope(
      kinds::sync_completed, run.run_id, timestamp, uuid_of(run.run_id, "cache_sync_completed"),
      [&](json::Writer& json) {
        json.put("job_id", run.run_id, "mode", run.mode, "status", application_status(run.status),
                 "sync_status", to_string(run.status), "total_changes", run.total_changes,
                 "universes_updated", run.universes_updated, "universe_events_omitted",
                 run.universe_events_omitted, "duration_seconds", run.duration_seconds);
        json.key("task_results").begin_object();
        for (const TaskOutcome& task : run.tasks) {
          json.key(task.task).begin_object();
          json.put("status", task.error ? "failed" : "success", "changes", task.changes);
          json.end_object();
        }
        json.end_object().put("error", run.error);
      });
}

Message phase_completed(const RunRecord& run, const std::string& timestamp) {
  const std::string_view status = application_status(run.status);
  return envelope(kinds::phase_completed, run.run_id, timestamp,
                  uuid_of(run.run_id, "phase_completed"), [&](json::Writer& json) {
                    json.put("phase", "cache_sync", "status", status);
                    json.key("stats").begin_object();
                    json.put("success", status == "completed", "run_id", run.run_id,
                             "duration_seconds", run.duration_seconds, "changes",
                             run.total_changes);
                    json.end_object().put("error", run.error);
                  });
}

Message progress(const RunRecord& run, const std::string& timestamp, int step,
                 int completed_steps) {
  return envelope(kinds::progress, run.run_id, timestamp,
                  uuid_of(run.run_id, "job_progress_update", {}, {},
                          static_cast<std::uint64_t>(completed_steps)),
                  [&](json::Writer& json) {
                    json.put("phase", "cache_sync", "current_step",
                             step_names[static_cast<std::size_t>(step - 1)], "completed_steps",
                             completed_steps, "total_steps", 5, "percentage", completed_steps * 20);
                  });
}

Message sync_error(const RunRecord& run, const std::string& timestamp, ErrorKind kind,
                   const std::string& message) {
  constexpr std::string_view component = "cache_sync_processing";
  const char* severity = kind == ErrorKind::outcome_unknown ? "critical" : "error";
  const std::string event_id = uuid_of(run.run_id, "cache_sync_error", message);
  return envelope(
      kinds::sync_error, run.run_id, timestamp, event_id,
      [&](json::Writer& json) {
        json.put("component", component, "severity", severity, "message", message, "error_message",
                 message);
      },
      [&](json::Writer& json) {
        json.put("error_id", event_id, "severity", severity, "category", category_of(kind),
                 "message", message, "component", component);
        json.key("context").begin_object().put("run_id", run.run_id, "mode", run.mode);
        json.end_object();
      });
}

void require_sendable(const std::vector<Message>& messages) {
  for (const Message& message : messages) {
    if (message.body.size() <= largest_message) continue;
    throw Error(ErrorKind::failed,
                fmt::format("event {} on channel {} would have {} bytes, and Redis takes {}; "
                            "shorten what it tells, or run once with --no-events",
                            message.event, message.channel, message.body.size(), largest_message));
  }
}

}  // namespace tickstock::events
