// The page of the configuration file and the program agree.

#include <fmt/format.h>

#include <map>
#include <regex>

#include "cli/man_pages.hpp"
#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

/// Returns what the program requires of a setting, as it says when it rejects a value.
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
  // Without an environment, so that every value is the default.
  const ProcessResult config =
      run_process(Fixture::command({"config", "--format", "json"}), RunOptions{});
  std::map<std::string, std::string> defaults;
  for (const Json& each : Json::parse(config.out).at("settings").items()) {
    const Json value = each.at("value");
    std::string text = value.is_null() ? "" : value.is_string() ? value.str() : value.text();
    if (value.is_array()) text = fmt::format("{}", fmt::join(value.strings(), ", "));
    if (value.is_number()) text = fmt::format("{}", value.num());
    defaults["[" + each.at("section").str() + "] " + each.at("key").str()] =
        text.empty() ? "none" : text;
  }
  // What libpq makes of an empty environment is up to libpq.
  defaults["[database] url"] = "none";
  defaults["[output] format"] = "text";

  const std::regex form("Cm (\\w+) Pq \"(.*); default (.+)\"");
  for (const Part& part : ManPage("tickstock-cache.toml.5").section("DESCRIPTION")) {
    for (const Item& item : part.items) {
      std::smatch head;
      INFO(part.heading << " " << item.head);
      REQUIRE(std::regex_match(item.head, head, form));
      const auto found = defaults.extract(part.heading + " " + head[1].str());
      REQUIRE_FALSE(found.empty());
      CHECK(found.mapped() == head[3]);
      // No setting has the type of a day, and no whole number may be negative.
      std::string type = demand(part.heading, head[1], "1999-12-31");
      if (type == "whole number") type += " " + demand(part.heading, head[1], "-1");
      CHECK(type == head[2]);
    }
  }
  for (const auto& [name, value] : defaults) FAIL_CHECK(name << " is not documented");
}
