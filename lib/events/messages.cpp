#include "events/messages.hpp"

#include <fmt/format.h>

#include <functional>
#include <numeric>
#include <set>

#include "events/sha256.hpp"
#include "json/json.hpp"
#include "rules/reason.hpp"

namespace tickstock::events {

namespace {

using Fill = std::function<void(json::Writer&)>;

/// The envelope around a payload; `more` adds keys beside it.
Message envelope(const EventKind& kind, const RunFacts& run, const std::string& timestamp,
                 const std::string& event_id, const Fill& payload, const Fill& more = {}) {
  json::Writer json;
  json.begin_object();
  json.key("event").string(kind.event);
  json.key("event_id").string(event_id);
  json.key("timestamp").string(timestamp);
  json.key("source").string(kind.source);
  json.key("version").string("1.0");
  if (more) more(json);
  json.key("payload").begin_object();
  json.key("run_id").string(run.run_id);
  payload(json);
  json.end_object().end_object();
  return {event_id, std::string(kind.channel), std::string(kind.event), json.text()};
}

Message universe_updated(const RunFacts& run, const std::string& timestamp, Task task,
                         const EntryWrite& write, std::uint64_t position) {
  return envelope(kinds::universe_updated, run, timestamp,
                  uuid_of(run.run_id, to_string(task), write.universe, {}, position),
                  [&](json::Writer& json) {
                    json.key("universe").string(write.universe);
                    json.key("action").string(write_action(write));
                    json.key("reason").string(write_reason(write));
                    json.key("metadata").begin_object();
                    json.key("count").number(std::uint64_t{write.after->members.size()});
                    json.key("previous_count").number(std::uint64_t{write.previous_count()});
                    json.key("added").number(std::uint64_t{write.diff.added.size()});
                    json.key("removed").number(std::uint64_t{write.diff.removed.size()});
                    json.key("moved").number(std::uint64_t{write.diff.moved.size()});
                    json.end_object();
                  });
}

Message ipo_assigned(const RunFacts& run, const std::string& timestamp, Task task,
                     const EntryWrite& write, SymbolId id, const Market& market,
                     std::uint64_t position) {
  const std::string_view symbol = market.name(id);
  return envelope(kinds::ipo_assigned, run, timestamp,
                  uuid_of(run.run_id, to_string(task), write.universe, symbol, position),
                  [&](json::Writer& json) {
                    const Company& company = market.company(id);
                    json.key("symbol").string(symbol);
                    json.key("universe").string(write.universe);
                    json.key("company_name").string_or_null(company.name);
                    json.key("listing_date").string(to_string(*market.find(id)->listed));
                    json.key("sector").string_or_null(company.sector);
                  });
}

Message delisting_cleanup(const RunFacts& run, const std::string& timestamp, const TaskPlan& task,
                          const Market& market, std::uint64_t position) {
  std::uint64_t memberships = 0;
  std::set<std::string_view> symbols;
  for (const EntryWrite& write : task.writes) {
    memberships += write.diff.removed.size();
    for (const Placement& member : write.diff.removed) symbols.insert(market.name(member.symbol));
  }
  return envelope(kinds::delisting_cleanup, run, timestamp,
                  uuid_of(run.run_id, to_string(Task::delisted), {}, {}, position),
                  [&](json::Writer& json) {
                    json.key("removed_count").number(memberships);
                    json.key("universes").begin_array();
                    for (const EntryWrite& write : task.writes) json.string(write.universe);
                    json.end_array();
                    json.key("symbols").begin_array();
                    for (const std::string_view symbol : symbols) json.string(symbol);
                    json.end_array();
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

std::uint64_t Completion::total_changes() const {
  return std::accumulate(
      tasks.begin(), tasks.end(), std::uint64_t{0},
      [](std::uint64_t total, const TaskOutcome& task) { return total + task.changes; });
}

Message sync_triggered(const RunFacts& run, const std::string& timestamp) {
  return envelope(kinds::sync_triggered, run, timestamp,
                  uuid_of(run.run_id, "cache_sync_triggered"), [&](json::Writer& json) {
                    json.key("job_id").string(run.run_id);
                    json.key("mode").string(to_string(run.mode));
                    json.key("force").boolean(run.force);
                    json.key("triggered_by").string(run.triggered_by);
                  });
}

std::vector<Message> task_events(const RunFacts& run, const std::string& timestamp,
                                 const TaskPlan& task, const Market& market, int ipo_days,
                                 std::size_t max_universes, std::size_t& omitted) {
  std::vector<Message> messages;
  std::size_t universes = 0;
  const bool limits = task.task != Task::themes;
  for (const EntryWrite& write : task.writes) {
    if (limits && max_universes != 0 && universes == max_universes) {
      ++omitted;
      continue;
    }
    messages.push_back(universe_updated(run, timestamp, task.task, write, universes++));
  }
  for_each_listing(task, market, ipo_days, [&](const EntryWrite& write, SymbolId symbol) {
    messages.push_back(
        ipo_assigned(run, timestamp, task.task, write, symbol, market, messages.size()));
  });
  if (task.task == Task::delisted && !task.writes.empty()) {
    messages.push_back(delisting_cleanup(run, timestamp, task, market, messages.size()));
  }
  return messages;
}

Message sync_completed(const RunFacts& run, const std::string& timestamp,
                       const Completion& completion) {
  return envelope(kinds::sync_completed, run, timestamp,
                  uuid_of(run.run_id, "cache_sync_completed"), [&](json::Writer& json) {
                    json.key("job_id").string(run.run_id);
                    json.key("mode").string(to_string(run.mode));
                    json.key("status").string(application_status(completion.status));
                    json.key("sync_status").string(to_string(completion.status));
                    json.key("total_changes").number(completion.total_changes());
                    json.key("universes_updated").begin_array();
                    for (const std::string& name : completion.universes_updated) json.string(name);
                    json.end_array();
                    json.key("universe_events_omitted")
                        .number(std::uint64_t{completion.universe_events_omitted});
                    json.key("duration_seconds").real(completion.duration_seconds);
                    json.key("task_results").begin_object();
                    for (const TaskOutcome& task : completion.tasks) {
                      json.key(to_string(task.task)).begin_object();
                      json.key("status").string(task.error ? "failed" : "success");
                      json.key("changes").number(task.changes);
                      json.end_object();
                    }
                    json.end_object();
                    json.key("error").string_or_null(completion.error);
                  });
}

Message phase_completed(const RunFacts& run, const std::string& timestamp,
                        const Completion& completion) {
  const bool committed = application_status(completion.status) == "completed";
  return envelope(kinds::phase_completed, run, timestamp, uuid_of(run.run_id, "phase_completed"),
                  [&](json::Writer& json) {
                    json.key("phase").string("cache_sync");
                    json.key("status").string(committed ? "completed" : "failed");
                    json.key("stats").begin_object();
                    json.key("success").boolean(committed);
                    json.key("run_id").string(run.run_id);
                    json.key("duration_seconds").real(completion.duration_seconds);
                    json.key("changes").number(completion.total_changes());
                    json.end_object();
                    json.key("error").string_or_null(completion.error);
                  });
}

Message progress(const RunFacts& run, const std::string& timestamp, int step, int completed_steps) {
  return envelope(kinds::progress, run, timestamp,
                  uuid_of(run.run_id, "job_progress_update", {}, {},
                          static_cast<std::uint64_t>(completed_steps)),
                  [&](json::Writer& json) {
                    json.key("phase").string("cache_sync");
                    json.key("current_step").string(step_names[static_cast<std::size_t>(step - 1)]);
                    json.key("completed_steps").number(completed_steps);
                    json.key("total_steps").number(5);
                    json.key("percentage").number(completed_steps * 20);
                  });
}

Message sync_error(const RunFacts& run, const std::string& timestamp, ErrorKind kind,
                   const std::string& message) {
  constexpr std::string_view component = "cache_sync_processing";
  const char* severity = kind == ErrorKind::outcome_unknown ? "critical" : "error";
  const std::string event_id = uuid_of(run.run_id, "cache_sync_error", message);
  return envelope(
      kinds::sync_error, run, timestamp, event_id,
      [&](json::Writer& json) {
        json.key("component").string(component);
        json.key("severity").string(severity);
        json.key("message").string(message);
        json.key("error_message").string(message);
      },
      [&](json::Writer& json) {
        json.key("error_id").string(event_id);
        json.key("severity").string(severity);
        json.key("category").string(category_of(kind));
        json.key("message").string(message);
        json.key("component").string(component);
        json.key("context").begin_object();
        json.key("run_id").string(run.run_id);
        json.key("mode").string(to_string(run.mode));
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
