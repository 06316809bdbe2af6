// The man page and the program say the same.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <vector>

#include "events/messages.hpp"
#include "fixture.hpp"
#include "json.hpp"
#include "process.hpp"
#include "support/catch.hpp"
#include "sync/options.hpp"
#include "temporary_directory.hpp"

using namespace tickstock::test;
namespace fs = std::filesystem;

namespace {

using Strings = std::set<std::string>;

const fs::path root = TICKSTOCK_SOURCE_DIR;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

#ifdef TICKSTOCK_CACHE_MAN_PAGE
const fs::path page = TICKSTOCK_CACHE_MAN_PAGE;
#else
const fs::path page = root / "man/tickstock-cache.1.in";
#endif

/// The page; should it be the template, then with a version in it.
std::string page_text() {
  return std::regex_replace(read(page), std::regex("@PROJECT_VERSION@"), "1.0.0");
}

/// Every match of a group of a pattern, in order.
std::vector<std::string> matches(const std::string& text, const std::string& pattern,
                                 std::size_t group = 1) {
  const std::regex expression(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
    found.push_back((*it)[group]);
  }
  return found;
}

Strings set_of(const std::vector<std::string>& list) { return {list.begin(), list.end()}; }

std::vector<std::string> lines_of(const std::string& text) { return matches(text, "([^\n]*)\n"); }
std::vector<std::string> words_of(const std::string& text) { return matches(text, "(\\S+)"); }

/// One `.It` of a list: the rest of its line, and what stands below.
struct Item {
  std::string head, body;
};

/// A section (`.Sh`) or a part of one (`.Ss`).
struct Part {
  std::string section, heading, text;
  std::vector<Item> items;
};

/// A section of the page in mdoc, cut at its headings and items.
std::vector<Part> section(const std::string& name) {
  std::vector<Part> parts;
  for (const auto& line : lines_of(std::regex_replace(page_text(), std::regex("\\\\\n"), ""))) {
    if (line.starts_with(".Sh ")) {
      parts.push_back({line.substr(4), "", "", {}});
    } else if (line.starts_with(".Ss ")) {
      parts.push_back({parts.back().section, line.substr(4), "", {}});
    } else if (!parts.empty()) {
      Part& part = parts.back();
      part.text += line + "\n";
      if (line.starts_with(".It ")) {
        part.items.push_back({line.substr(4), ""});
      } else if (!part.items.empty()) {
        part.items.back().body += line + " ";
      }
    }
  }
  std::erase_if(parts, [&name](const Part& part) { return part.section != name; });
  REQUIRE_FALSE(parts.empty());
  return parts;
}

/// The text of a section, with its lines joined.
std::string section_text(const std::string& name) {
  std::string text;
  for (const Part& part : section(name)) text += part.text;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// What a pattern finds in the heads of a section's items; it must find something in each.
std::vector<std::string> heads(const std::string& name, const std::string& pattern) {
  std::vector<std::string> found;
  for (const Part& part : section(name)) {
    for (const Item& item : part.items) {
      INFO(item.head);
      const auto all = matches(item.head, pattern);
      CHECK_FALSE(all.empty());
      found.insert(found.end(), all.begin(), all.end());
    }
  }
  return found;
}

ProcessResult run_program(const std::vector<std::string>& arguments) {
  RunOptions options;
  // Nobody listens there, so every command line that can be read ends with 5.
  options.environment = {{"DATABASE_URL", "postgresql://127.0.0.1:1/none"},
                         {"REDIS_URL", "redis://127.0.0.1:1"}};
  return run_process(Fixture::command(arguments), options);
}

std::string help_of(const std::string& command) {
  const std::vector<std::string> alone{"--help"};
  const ProcessResult result =
      run_program(command.empty() ? alone : std::vector{command, alone[0]});
  REQUIRE(result.status == 0);
  return result.out;
}

Strings commands() {
  const std::string help = help_of("");
  const auto names = matches(help.substr(help.find("\nSubcommands:")), "\n  ([a-z-]+)  ");
  REQUIRE(names.size() >= 10);
  return set_of(names);
}

/// The options that `--help` prints: all names, the value, and what stands in parentheses at the
/// end, a default or the variable that it stands for.
Strings help_options(const std::string& command) {
  static const std::regex form("^  (-\\S+)(?: (\\S+))?(?:  +(\\S.*))?$");
  Strings options;
  const auto lines = lines_of(help_of(command));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (!std::regex_match(lines[i], match, form)) continue;
    const std::string description = match[3].matched ? match[3].str() : lines.at(i + 1);
    const auto standard = matches(description, "(\\([^()]*\\))$");
    options.insert(match[1].str() + " " + match[2].str() + " " +
                   (standard.empty() ? "" : standard.front()));
  }
  REQUIRE(options.contains("-h,--help  "));
  return options;
}

/// The same of an item such as `Fl -format Cm text Ns | Ns Cm json`.
std::string page_option(const Item& item) {
  std::string names;
  std::string value;
  const auto words = words_of(item.head);
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == "Fl") {
      names += (names.empty() ? "-" : ",-") + words.at(++i);
    } else if (words[i] != "," && words[i] != "Ar" && words[i] != "Cm" && words[i] != "Ns") {
      value += words[i];
    }
  }
  auto standard = matches(item.body, "The default is (\\S+?)[.,]? ");
  // Where there is no default, a variable counts.
  if (standard.empty())
    standard = matches(item.body, "Without it,.*?\\.Ev ((?:DATABASE|REDIS|TICKSTOCK)_\\w+)");
  return names + " " + value + " " + (standard.empty() ? "" : "(" + standard[0] + ")");
}

/// The commands whose options stand under a heading; "" is the program without a command.
Strings commands_under(const std::string& heading) {
  Strings found = commands();
  if (heading == "Everywhere") found.insert("");
  if (heading.starts_with("Every")) return found;
  found = set_of(matches(heading, "(Task commands|[a-z-]+)(?:, | and |$)"));
  if (found.erase("Task commands") == 1) {
    // "The first five are called task commands below."
    const auto all = heads("COMMANDS", "^Cm (\\S+)");
    found.insert(all.begin(), all.begin() + 5);
  }
  return found;
}

/// All that a program says about the page; nothing where it is not installed.
std::string words_about_page(std::vector<std::string> command) {
  const TemporaryDirectory directory;
  if (run_process({"sh", "-c", "command -v " + command.front()}).status != 0) {
    WARN(command.front() + " is not installed");
    return "";
  }
  command.push_back(directory.write("page.1", page_text()));
  const ProcessResult result = run_process(command);
  return result.out + result.err;
}

/// What the program demands of a setting when it meets a value that it refuses.
std::string demand(const std::string& section, const std::string& key, const std::string& value) {
  const TemporaryDirectory directory;
  const std::string file =
      directory.write("c.toml", fmt::format("{}\n{} = {}\n", section, key, value), 0600);
  const ProcessResult result = run_program({"init", "--print-sql", "--config", file});
  CHECK(result.status == 78);
  const auto said = matches(result.err, "\\] " + key + " must be (?:a )?(.*)\n");
  return said.empty() ? result.err : said.front();
}

}  // namespace

TEST_CASE("the man page is clean for mandoc and groff, and fits 80 columns") {
  CHECK(words_about_page({"mandoc", "-T", "lint", "-W", "warning"}).empty());
  CHECK(words_about_page({"groff", "-man", "-mdoc", "-ww", "-z"}).empty());
  const std::string shown = words_about_page({"mandoc", "-T", "ascii", "-O", "width=78"});
  for (const std::string& line : lines_of(std::regex_replace(shown, std::regex(".\b"), ""))) {
    INFO(line);
    CHECK(line.size() <= 80);
  }
}

TEST_CASE("the man page documents this version, and exactly its commands") {
  const std::string version = words_of(run_program({"--version"}).out).at(1);
  CHECK_THAT(page_text(), contains("\n.Os \"tickstock-cache " + version + "\"\n"));
  CHECK(set_of(matches(section_text("SYNOPSIS"), "\\.Cm ([a-z-]+)")) == commands());
  CHECK(set_of(heads("COMMANDS", "^Cm (\\S+)")) == commands());
}

TEST_CASE("the man page documents exactly the options of each command, with their defaults") {
  std::map<std::string, Strings> documented;
  for (const Part& part : section("OPTIONS")) {
    if (part.heading.empty()) continue;
    for (const std::string& command : commands_under(part.heading)) {
      for (const Item& item : part.items) {
        INFO(part.heading << ": " << item.head);
        CHECK(documented[command].insert(page_option(item)).second);
      }
    }
  }
  CHECK(documented.size() == commands().size() + 1);
  for (const auto& [command, options] : documented) {
    INFO("command '" << command << "'");
    CHECK(options == help_options(command));
  }
}

TEST_CASE("the man page documents exactly the exit statuses and the guards") {
  const auto statuses = matches(read(root / "cli/exit_status.hpp"), "\n  status_\\w+ = (\\d+)");
  REQUIRE(statuses.size() >= 13);
  CHECK(set_of(heads("EXIT STATUS", "^(\\d+)(?:$|\\+ )")) == set_of(statuses));
  const auto guards = matches(read(root / "lib/tasks/guards.cpp"), "return \\{\\s*\"([a-z_]+)\"");
  REQUIRE(guards.size() >= 5);
  CHECK(set_of(heads("GUARDS", "^(.*)$")) == set_of(guards));
}

TEST_CASE("the man page documents exactly the variables that the program reads") {
  Strings expected;
  std::size_t calls = 0;
  for (const char* folder : {"cli", "lib"}) {
    for (const auto& entry : fs::recursive_directory_iterator(root / folder)) {
      if (entry.path().extension() != ".cpp") continue;
      const std::string text = read(entry.path());
      calls += matches(text, "(getenv)\\(").size();
      expected.merge(set_of(matches(text, "\\bvariable\\(\"(\\w+)\"\\)")));
      for (const auto& list : matches(text, "\\{([^{}]*)\\}\\)\\s*::unsetenv\\(name\\)"))
        expected.merge(set_of(matches(list, "\"(\\w+)\"")));
    }
  }
  // All of them go through one function of cli/settings.cpp.
  CHECK(calls == 1);
  REQUIRE(expected.size() >= 10);
  Strings documented = set_of(heads("ENVIRONMENT", "\\b([A-Z][A-Z_]+)\\b"));
  for (const std::string& name : expected) {
    INFO(name);
    CHECK(documented.erase(name) == 1);
  }
  std::erase_if(documented, [](const std::string& name) {
    return name.starts_with("PG") || name.starts_with("SSL_CERT_");  // of libpq, of OpenSSL
  });
  CHECK(documented.empty());
}

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
  const Json config = Json::parse(run_program({"config", "--format", "json"}).out);
  for (const Json& each : config.at("settings").items()) {
    expected.insert("[" + each.at("section").str() + "] " + each.at("key").str());
  }

  Strings documented;
  const std::regex form("Cm (\\w+) Pq \"(.*); default (\\S+)\"");
  for (const Part& part : section("CONFIGURATION FILE")) {
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

TEST_CASE("the man page documents exactly the events") {
  const std::string code = read(root / "lib/events/channels.hpp");
  const std::string pattern = "\"(tickstock:[a-z_:]+)\",\\s*\"([a-z_]+)\"";
  const auto channels = matches(code, pattern, 1);
  const auto events = matches(code, pattern, 2);
  REQUIRE(channels.size() == matches(code, "\"(tickstock:)").size());
  Strings expected;
  for (std::size_t i = 0; i < channels.size(); ++i)
    expected.insert(channels[i] + " Pq " + events[i]);
  CHECK(set_of(heads("EVENTS", "^Sy (.*)$")) == expected);
}

TEST_CASE("the man page documents the fields of events, documents and log") {
  const std::string messages = read(root / "lib/events/messages.cpp");
  const std::string output = read(root / "cli/output_json.cpp") +
                             read(root / "cli/output_changes.cpp") +
                             read(root / "cli/logging.cpp") + read(root / "lib/sync/report.cpp");
  for (const auto& [name, code] : {std::pair("EVENTS", messages), std::pair("OUTPUT", output)}) {
    const Strings words = set_of(matches(section_text(name), "\\b(\\w+)\\b"));
    const Strings fields = set_of(matches(code, "key\\(\"(\\w+)\"\\)"));
    REQUIRE(fields.size() >= 40);
    for (const std::string& field : fields) {
      INFO(name << ": " << field);
      CHECK(words.contains(field));
    }
  }
}

TEST_CASE("the man page names the limits that the program keeps") {
  const tickstock::store::ConnectionSettings database;
  const tickstock::events::RedisSettings redis;
  const auto seconds = [](std::chrono::milliseconds time, const std::string& what) {
    return contains(fmt::format("{} seconds {}", time.count() / 1000, what));
  };
  const std::string text = section_text("DESCRIPTION");
  CHECK_THAT(text, seconds(database.connect_timeout, "to connect to PostgreSQL"));
  CHECK_THAT(text, seconds(database.statement_timeout, "for a statement"));
  CHECK_THAT(text, seconds(database.lock_timeout, "for a lock"));
  CHECK_THAT(text, seconds(redis.connect_timeout, "to connect to Redis"));
  CHECK_THAT(text, seconds(database.commit_timeout, "for the answer to COMMIT"));
  CHECK_THAT(text, seconds(redis.publish_timeout, "to publish"));
  CHECK_THAT(text, seconds(tickstock::sync::Environment().timeout, "for a command as a whole"));
  CHECK_THAT(section_text("EVENTS"),
             contains(fmt::format("more than {} bytes", tickstock::events::largest_message)));
}

TEST_CASE("every command line among the examples of the man page can be used") {
  std::string text;
  for (const Part& part : section("EXAMPLES")) text += part.text;
  // What the shell would put in is a digest.
  text = std::regex_replace(text, std::regex("\"\\$\\([^)]*\\)\""), std::string(64, '0'));
  std::size_t examples = 0;
  for (const std::string& block : matches(text, "\\.Bd -literal[^\n]*\n([^]*?)\\.Ed")) {
    for (const std::string& line : matches(block, "tickstock-cache ([^|>;\n]*)")) {
      ++examples;
      const ProcessResult result = run_program(words_of(line));
      INFO(line << ": " << result.err);
      CHECK(result.status == 5);
    }
  }
  CHECK(examples >= 10);
}
