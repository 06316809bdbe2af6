// The page of the configuration file and the program say the same.

#include <fmt/format.h>

#include <map>
#include <regex>

#include "cli/man_pages.hpp"
#include "cli/scene.hpp"
#include "sync/options.hpp"

using namespace tickstock::test;

namespace {

/// What the program demands of a setting when it meets a value that it refuses.
std::string demand(const std::string& section, const std::string& key, const std::string& value) {
  const TemporaryDirectory directory;
  const std::string file =
      directory.write("c.toml", fmt::format("{}\n{} = {}\n", section, key, value), 0600);
  const ProcessResult result = run_alone({"init", "--print-sql", "--config", file});
  CHECK(result.status == 78);
  const auto said = matches(result.err, "\\] " + key + " must be (?:a )?(.*)\n");
  return said.empty() ? result.err : said.front();
}

}  // namespace

TEST_CASE("the man page documents exactly the keys of the configuration file") {
  const tickstock::sync::Environment environment;
  const auto& redis = environment.redis;
  const auto& tables = environment.tables;
  const tickstock::sync::RunOptions run;
  const auto in_seconds = [](std::chrono::milliseconds time) {
    return fmt::format("{}", time.count() / 1000);
  };
  const auto& guards = run.policy.guards;
  REQUIRE_FALSE((guards.max_data_age_days || environment.database.connections));
  const std::map<std::string, std::string> defaults{
      {"[database] url", "none"},
      {"[database] connections", "none"},
      {"[redis] url", fmt::format("redis://{}:{}/{}", redis.host, redis.port, redis.database)},
      {"[redis] ca_file", "none"},
      {"[tables] schema", tables.entries.schema},
      {"[tables] symbols", tables.symbols.name},
      {"[tables] prices", tables.prices.name},
      {"[tables] entries", tables.entries.name},
      {"[run] timezone", environment.timezone},
      {"[run] triggered_by", run.triggered_by},
      {"[run] lock_wait", in_seconds(run.lock_wait)},
      {"[run] timeout", in_seconds(environment.timeout)},
      {"[timeouts] connect", in_seconds(environment.database.connect_timeout)},
      {"[timeouts] statement", in_seconds(environment.database.statement_timeout)},
      {"[timeouts] lock", in_seconds(environment.database.lock_timeout)},
      {"[timeouts] commit", in_seconds(environment.database.commit_timeout)},
      {"[timeouts] redis", in_seconds(redis.connect_timeout)},
      {"[timeouts] publish", in_seconds(redis.publish_timeout)},
      {"[security] require_tls", fmt::format("{}", environment.database.require_tls)},
      {"[events] enabled", fmt::format("{}", run.events)},
      {"[events] max_universe_events", fmt::format("{}", run.max_universe_events)},
      {"[outbox] max_age", fmt::format("{}", environment.retention.outbox_max_age)},
      {"[outbox] keep_days", fmt::format("{}", environment.retention.outbox_days)},
      {"[journal] keep_days", fmt::format("{}", environment.retention.journal_days)},
      {"[journal] keep_runs", fmt::format("{}", environment.retention.journal_runs)},
      {"[ipo] days", fmt::format("{}", run.policy.ipo_days)},
      {"[guards] max_vanished_percent", fmt::format("{}", guards.max_vanished_percent)},
      {"[guards] max_appeared_percent", fmt::format("{}", guards.max_appeared_percent)},
      {"[guards] max_removed_percent", fmt::format("{}", guards.max_removed_percent)},
      {"[guards] max_data_age_days", "none"}};

  Strings expected;
  const std::string code = read_file(source_root / "cli/config_file.cpp");
  for (const auto& call : matches(code, "reader\\.(take\\w*\\(\\s*\"\\w+\"(?:,\\s*\"\\w+\")?)")) {
    const auto names = matches(call, "\"(\\w+)\"");
    expected.insert(names.size() == 1 ? "[guards] " + names[0] : "[" + names[0] + "] " + names[1]);
  }
  REQUIRE(expected.size() == matches(code, "(reader\\.take)").size());

  Strings documented;
  const std::regex form("Cm (\\w+) Pq \"(.*); default (\\S+)\"");
  for (const Part& part : ManPage("tickstock-cache.toml.5").section("DESCRIPTION")) {
    for (const Item& item : part.items) {
      std::smatch head;
      INFO(part.heading << " " << item.head);
      REQUIRE(std::regex_match(item.head, head, form));
      const std::string name = part.heading + " " + head[1].str();
      CHECK(documented.insert(name).second);
      CHECK((defaults.contains(name) && defaults.at(name) == head[3]));
      // A day is of no type that a setting has, and no whole number may be negative.
      std::string type = demand(part.heading, head[1], "1999-12-31");
      if (type == "whole number") type += " " + demand(part.heading, head[1], "-1");
      CHECK(type == head[2]);
    }
  }
  CHECK(documented == expected);
}
