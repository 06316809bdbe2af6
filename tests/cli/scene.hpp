#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

#include "fixture.hpp"
#include "json.hpp"
#include "process.hpp"
#include "redis.hpp"
#include "support/catch.hpp"
#include "temporary_directory.hpp"

// Shared by the tests of the built program: a small market, and ways to examine a run.

namespace tickstock::test {

using Names = std::vector<std::string>;

/// The day of the small market. It is in the past, so that nothing warns about the future.
inline const std::string market_day = "2024-06-28";

/// Adds a symbol in each category and one below, a recent listing, and a delisted one that is still
/// in the theme `tech`. A sync writes eleven entries: the nine by market cap, `recent_ipos`, and
/// `tech`.
inline void add_small_market(Fixture& fixture) {
  fixture.add_symbol({.symbol = "MEGA", .market_cap = "300000000000"});
  fixture.add_symbol({.symbol = "LARGE", .market_cap = "20000000000"});
  fixture.add_symbol({.symbol = "MID", .market_cap = "3000000000"});
  fixture.add_symbol({.symbol = "SMALL", .market_cap = "500000000"});
  fixture.add_symbol({.symbol = "MICRO", .market_cap = "60000000"});
  fixture.add_symbol({.symbol = "TINY", .market_cap = "1000000"});
  fixture.add_symbol({.symbol = "NEW",
                      .market_cap = "4000000000",
                      .listing_date = "2024-06-20",
                      .company_name = "New Corp",
                      .sector = "Technology"});
  fixture.add_symbol({.symbol = "GONE",
                      .market_cap = "15000000000",
                      .is_active = false,
                      .delisted_date = "2024-06-27"});
  fixture.set_entry("tech", "theme",
                    R"({"symbols": ["MID", "GONE", "MEGA"], "count": 3, "owner": "desk 7"})");
}

/// The universes that a sync of the small market writes, in the order of the events.
inline const Names small_market_writes{"mega_cap",  "large_cap",   "mid_cap", "small_cap",
                                       "micro_cap", "top_100",     "top_500", "top_1000",
                                       "top_2000",  "recent_ipos", "tech"};

/// Appends `more` to `arguments`.
inline Names with(Names arguments, const Names& more) {
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// Runs a task for the day of the small market.
inline ProcessResult run_task(const Fixture& fixture, const Names& arguments,
                              const Environment& extra = {}) {
  return fixture.run(with(arguments, {"--as-of", market_day}), extra);
}

/// Runs a task that must exit with this status, and returns its document.
inline Json run_json(const Fixture& fixture, const Names& arguments, int status = 0,
                     const Environment& extra = {}) {
  const ProcessResult result = run_task(fixture, with(arguments, {"--format", "json"}), extra);
  INFO("standard error: " << result.err);
  INFO("standard output: " << result.out.substr(0, 600));
  REQUIRE(result.status == status);
  return Json::parse(result.out);
}

/// Returns the symbols that the JSON document of `members` lists.
inline Names symbols_of(const ProcessResult& members) {
  INFO(members.err);
  REQUIRE(members.status == 0);
  Names symbols;
  for (const Json& member : Json::parse(members.out).at("members").items()) {
    symbols.push_back(member.at("symbol").str());
  }
  return symbols;
}

inline Names lines_of(const std::string& text) {
  Names lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// Returns the lines of standard error that begin with `tickstock-cache: LEVEL: `, without that
/// prefix.
inline Names log_lines(const ProcessResult& result, const std::string& level) {
  const std::string prefix = "tickstock-cache: " + level + ": ";
  Names found;
  for (const std::string& line : lines_of(result.err)) {
    if (line.starts_with(prefix)) found.push_back(line.substr(prefix.size()));
  }
  return found;
}

/// Checks that the run exited with this status and gave the reason in exactly one line, which
/// contains `part`.
inline void check_failure(const ProcessResult& result, int status, const std::string& part) {
  INFO("standard error: " << result.err);
  INFO("standard output: " << result.out.substr(0, 600));
  CHECK(result.status == status);
  const Names errors = log_lines(result, "error");
  REQUIRE(errors.size() == 1);
  CHECK_THAT(errors.front(), contains(part));
}

/// Checks that the document of a failure agrees with the exit status and the error line.
inline void check_failure_document(const ProcessResult& result, int status,
                                   const std::string& part) {
  check_failure(result, status, part);
  const Json document = Json::parse(result.out);
  CHECK(document.at("schema_version").integer() == 1);
  CHECK(document.at("exit_code").integer() == status);
  CHECK_FALSE(document.at("success").boolean());
  const std::string error = document.at("error").str();
  CHECK_THAT(error, contains(part));
  CHECK(document.at("errors").strings() == Names{error});
  // Text and JSON say the same; the hint is the end of it.
  CHECK_THAT(result.err, contains("error: " + error + "\n"));
  // Every failure says on which object, and what to do; a signal does neither.
  if (status > 128) return;
  CHECK_FALSE(document.at("object").is_null());
  // "must be …" is advice enough.
  if (error.find(" must ") != std::string::npos && document.at("hint").is_null()) return;
  REQUIRE_FALSE(document.at("hint").is_null());
  const std::string hint = document.at("hint").str();
  CHECK_FALSE(hint.empty());
  CHECK(error.ends_with(" " + hint));
}

/// Returns every row of the entries, if that table exists; see Fixture::entries_dump.
inline Names dump_where_there(Fixture& fixture) {
  const bool there = fixture.database().value("SELECT to_regclass('cache_entries')") != "";
  return there ? fixture.entries_dump() : Names{};
}

/// Checks that the command fails with this status and one line that contains `part`, as text and as
/// JSON, and changes no entry.
inline void check_fails(Fixture& fixture, const Names& arguments, int status,
                        const std::string& part, const Environment& extra = {}) {
  const Names before = dump_where_there(fixture);
  check_failure(run_task(fixture, arguments, extra), status, part);
  check_failure_document(run_task(fixture, with(arguments, {"--format", "json"}), extra), status,
                         part);
  CHECK(dump_where_there(fixture) == before);
}

/// Returns `market_cap_recalculation success 9`, a line per task of the document.
inline Names task_lines(const Json& document) {
  Names lines;
  const Json results = document.at("task_results");
  for (const std::string& task : results.keys()) {
    const Json result = results.member(task);
    lines.push_back(fmt::format(
        "{} {} {}", task, result.at("status").str(),
        result.at(result.has("changes_count") ? "changes_count" : "changes").integer()));
  }
  return lines;
}

/// Returns the events without those for progress, which are best effort.
inline std::vector<Event> without_progress(std::vector<Event> events) {
  std::erase_if(events, [](const Event& event) { return event.channel == "tickstock:monitoring"; });
  return events;
}

/// Returns the messages of one channel.
inline std::vector<Json> messages(const std::vector<Event>& events, const std::string& channel) {
  std::vector<Json> found;
  for (const Event& event : events) {
    if (event.channel == channel) found.push_back(Json::parse(event.message));
  }
  return found;
}

/// Returns `universe_updated mega_cap`, a line per event: its name, and the universe or symbol that
/// it is about.
inline Names event_lines(const std::vector<Event>& events) {
  Names lines;
  for (const Event& event : without_progress(events)) {
    const Json message = Json::parse(event.message);
    std::string line = message.at("event").str();
    if (message.has("payload.symbol")) {
      line += " " + message.at("payload.symbol").str();
    } else if (message.has("payload.universe")) {
      line += " " + message.at("payload.universe").str();
    }
    lines.push_back(line);
  }
  return lines;
}

/// Returns the universes that were announced as updated, in order.
inline Names announced_universes(const std::vector<Event>& events) {
  Names universes;
  for (const Json& message : messages(events, "tickstock:universe:updated")) {
    universes.push_back(message.at("payload.universe").str());
  }
  return universes;
}

inline Names event_ids(const std::vector<Event>& events) {
  Names ids;
  for (const Event& event : without_progress(events)) {
    ids.push_back(Json::parse(event.message).at("event_id").str());
  }
  return ids;
}

/// SQL for the key of the lock that a run holds.
inline const std::string run_lock_sql =
    "((1953063787::bigint << 32) | 'cache_entries'::regclass::oid::bigint)";

/// Returns an environment whose Redis is down: nothing listens on that port.
inline Environment redis_down() { return {{"REDIS_URL", "redis://127.0.0.1:1/0"}}; }

/// Creates a role that may log in and nothing else, and returns its name.
inline std::string make_role(Fixture& fixture) {
  std::string role = "role_of_" + fixture.database().name();
  fixture.database().execute("CREATE ROLE " + role + " LOGIN");
  return role;
}

inline Environment as_role(Fixture& fixture, const std::string& role) {
  return {{"DATABASE_URL", fixture.database().url(role)}};
}

/// Makes every write of one universe fail with this SQLSTATE.
inline void break_universe(Fixture& fixture, const std::string& universe,
                           const std::string& sqlstate) {
  fixture.database().execute(fmt::format(R"(
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'the desk of % is closed', NEW.universe USING ERRCODE = '{1}';
    END $$;
    CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON cache_entries
      FOR EACH ROW WHEN (NEW.universe = '{0}') EXECUTE FUNCTION refuse())",
                                         universe, sqlstate));
}

/// Makes every write to this table run this body of a trigger function at COMMIT.
inline void at_commit(Fixture& fixture, const std::string& table, const std::string& body) {
  fixture.database().execute(
      "CREATE FUNCTION at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN " + body +
      " RETURN NULL; END $$");
  fixture.database().execute(
      "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT OR UPDATE ON " + table +
      " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()");
}

}  // namespace tickstock::test
