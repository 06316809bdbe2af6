// The man page and the program say the same: commands, options, defaults, settings, variables, exit
// statuses, events.

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

#include "fixture.hpp"
#include "process.hpp"
#include "support/catch.hpp"
#include "sync/options.hpp"
#include "temporary_directory.hpp"

using namespace tickstock::test;
namespace fs = std::filesystem;

namespace {

using Strings = std::set<std::string>;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

/// A file of the program's source.
std::string source(const std::string& path) { return read(fs::path(TICKSTOCK_SOURCE_DIR) / path); }

/// The page as it is built; while the build has none to offer, its template.
std::string page_text() {
#ifdef TICKSTOCK_CACHE_MAN_PAGE
  return read(TICKSTOCK_CACHE_MAN_PAGE);
#else
  return std::regex_replace(source("man/tickstock-cache.1.in"), std::regex("@PROJECT_VERSION@"),
                            "1.0.0");
#endif
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

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> words_of(const std::string& text) {
  std::istringstream stream(text);
  return {std::istream_iterator<std::string>(stream), {}};
}

/// One `.It` of a list: the rest of its line, and what stands below.
struct Item {
  std::string head;
  std::string body;
};

/// A section (`.Sh`) or a part of one (`.Ss`).
struct Part {
  std::string section;
  std::string heading;
  std::string text;
  std::vector<Item> items;
};

/// The page in mdoc, cut at its headings and items. Lines become words between single spaces.
std::vector<Part> parts_of(const std::string& page) {
  std::vector<Part> parts;
  const std::string joined = std::regex_replace(page, std::regex("\\\\\n"), "");
  for (const std::string& line : lines_of(joined)) {
    if (line.starts_with(".Sh ")) {
      parts.push_back({line.substr(4), "", "", {}});
    } else if (line.starts_with(".Ss ")) {
      parts.push_back({parts.back().section, line.substr(4), "", {}});
    } else if (!parts.empty()) {
      parts.back().text += line + "\n";
      if (line.starts_with(".It ")) {
        parts.back().items.push_back({line.substr(4), ""});
      } else if (!parts.back().items.empty()) {
        parts.back().items.back().body += line + " ";
      }
    }
  }
  return parts;
}

/// The parts of a section.
std::vector<Part> section(const std::string& name) {
  std::vector<Part> found;
  for (const Part& part : parts_of(page_text())) {
    if (part.section == name) found.push_back(part);
  }
  REQUIRE_FALSE(found.empty());
  return found;
}

/// The text of a section, its lines joined.
std::string section_text(const std::string& name) {
  std::string text;
  for (const Part& part : section(name)) text += part.text;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

/// The heads of all items of a section.
std::vector<std::string> heads(const std::string& name) {
  std::vector<std::string> found;
  for (const Part& part : section(name)) {
    for (const Item& item : part.items) found.push_back(item.head);
  }
  return found;
}

ProcessResult run_program(const std::vector<std::string>& arguments) {
  RunOptions options;
  // Nobody listens there, so whatever can be read as a command line ends with 5.
  options.environment = {{"DATABASE_URL", "postgresql://127.0.0.1:1/none"},
                         {"REDIS_URL", "redis://127.0.0.1:1"}};
  return run_process(Fixture::command(arguments), options);
}

std::string help_of(const std::string& command) {
  std::vector<std::string> arguments{"--help"};
  if (!command.empty()) arguments.insert(arguments.begin(), command);
  const ProcessResult result = run_program(arguments);
  REQUIRE(result.status == 0);
  return result.out;
}

std::vector<std::string> commands() {
  const std::string help = help_of("");
  const auto names = matches(help.substr(help.find("\nSubcommands:")), "\n  ([a-z-]+)  ");
  REQUIRE(names.size() >= 10);
  return names;
}

/// The options that `--help` prints: all names, the value, and what stands in parentheses at the
/// end, a default or the variable that it stands for.
Strings help_options(const std::string& command) {
  static const std::regex form("^  (-\\S+)(?: (\\S+))?(?: Excludes: \\S+)?(?:  +(\\S.*))?$");
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
  REQUIRE(standard.size() <= 1);
  return names + " " + value + " " + (standard.empty() ? "" : "(" + standard.front() + ")");
}

/// The commands whose options stand under a heading; "" is the program without a command.
Strings commands_under(const std::string& heading) {
  const auto all = commands();
  Strings found;
  if (heading == "Everywhere" || heading == "Every command") found = set_of(all);
  if (heading == "Everywhere" || heading == "Without a command") found.insert("");
  if (!found.empty()) return found;
  std::string list = std::regex_replace(heading, std::regex(" and "), ", ");
  for (const std::string& name : matches(list, "([^,]+)(?:, |$)")) {
    if (name == "Task commands") {
      // "The first five are called task commands below."
      for (std::size_t i = 0; i < 5; ++i) found.insert(words_of(heads("COMMANDS").at(i)).at(1));
    } else {
      CHECK(std::count(all.begin(), all.end(), name) == 1);
      found.insert(name);
    }
  }
  return found;
}

/// Each installed one of these programs checks the page; all it says is returned.
std::string complaints(const std::vector<std::string>& argv) {
  const TemporaryDirectory directory;
  if (run_process({"sh", "-c", "command -v " + argv.front()}).status != 0) {
    WARN(argv.front() + " is not installed");
    return "";
  }
  auto command = argv;
  command.push_back(directory.write("page.1", page_text()));
  const ProcessResult result = run_process(command);
  return result.out + result.err;
}

}  // namespace

TEST_CASE("the man page is clean for mandoc and groff") {
  CHECK(complaints({"mandoc", "-T", "lint", "-W", "warning"}).empty());
  CHECK(complaints({"groff", "-man", "-mdoc", "-ww", "-z"}).empty());
  const std::string shown = complaints({"mandoc", "-T", "ascii", "-O", "width=78"});
  for (const std::string& line : lines_of(std::regex_replace(shown, std::regex(".\b"), ""))) {
    INFO(line);
    CHECK(line.size() <= 80);
  }
}

TEST_CASE("the man page is of this version") {
  const std::string version = words_of(run_program({"--version"}).out).at(1);
  CHECK_THAT(page_text(), contains("\n.Os \"tickstock-cache " + version + "\"\n"));
}

TEST_CASE("the man page documents exactly the commands of the program") {
  const Strings expected = set_of(commands());
  CHECK(set_of(matches(section_text("SYNOPSIS"), "\\.Cm ([a-z-]+)")) == expected);
  Strings documented;
  for (const std::string& head : heads("COMMANDS")) documented.insert(words_of(head).at(1));
  CHECK(documented == expected);
}

TEST_CASE("the man page documents exactly the options of each command, with their defaults") {
  std::map<std::string, Strings> documented;
  for (const Part& part : section("OPTIONS")) {
    if (part.heading.empty()) continue;
    INFO(part.heading);
    CHECK_FALSE(part.items.empty());
    for (const std::string& command : commands_under(part.heading)) {
      for (const Item& item : part.items) {
        INFO(command + ": " + item.head);
        CHECK(documented[command].insert(page_option(item)).second);
      }
    }
  }
  auto all = commands();
  all.emplace_back("");
  for (const std::string& command : all) {
    INFO("command '" + command + "'");
    CHECK(documented[command] == help_options(command));
  }
}

TEST_CASE("the man page documents exactly the exit statuses of the program") {
  const auto expected = matches(source("cli/exit_status.hpp"), "\n  status_\\w+ = (\\d+)");
  REQUIRE(expected.size() >= 13);
  Strings documented;
  for (const std::string& head : heads("EXIT STATUS")) {
    documented.insert(matches(head, "^(\\d+)(?:$|\\+ )").at(0));
  }
  CHECK(documented == set_of(expected));
}

TEST_CASE("the man page documents exactly the variables that the program reads") {
  Strings expected;
  std::size_t calls = 0;
  for (const char* folder : {"cli", "lib"}) {
    for (const auto& entry :
         fs::recursive_directory_iterator(fs::path(TICKSTOCK_SOURCE_DIR) / folder)) {
      if (entry.path().extension() != ".cpp") continue;
      const std::string text = read(entry.path());
      calls += matches(text, "\\b(\\w*getenv)\\(").size() - matches(text, "(unsetenv)").size();
      expected.merge(set_of(matches(text, "\\bvariable\\(\"(\\w+)\"\\)")));
      for (const auto& list : matches(text, "\\{([^{}]*)\\}\\)\\s*::unsetenv\\(name\\)")) {
        expected.merge(set_of(matches(list, "\"(\\w+)\"")));
      }
    }
  }
  // All of them go through one function of cli/settings.cpp.
  CHECK(calls == 1);
  REQUIRE(expected.size() >= 10);
  Strings documented;
  for (const std::string& head : heads("ENVIRONMENT")) {
    documented.merge(set_of(matches(head, "\\b([A-Z][A-Z_]+)\\b")));
  }
  for (const std::string& name : expected) {
    INFO(name);
    CHECK(documented.erase(name) == 1);
  }
  for (const std::string& name : documented) {
    INFO(name);  // of libpq or OpenSSL
    CHECK((name.starts_with("PG") || name.starts_with("SSL_CERT_")));
  }
}

TEST_CASE("the man page documents exactly the keys of the configuration file") {
  const tickstock::sync::Environment environment;
  const tickstock::sync::RunOptions run;
  const auto& guards = run.policy.guards;
  const auto& redis = environment.redis;
  REQUIRE_FALSE(guards.max_data_age_days);
  const std::map<std::string, std::string> defaults{
      {"[database] url", "none"},
      {"[redis] url", fmt::format("redis://{}:{}/{}", redis.host, redis.port, redis.database)},
      {"[redis] ca_file", redis.ca_file.empty() ? "none" : redis.ca_file},
      {"[tables] schema", environment.tables.entries.schema},
      {"[tables] symbols", environment.tables.symbols.name},
      {"[tables] prices", environment.tables.prices.name},
      {"[tables] entries", environment.tables.entries.name},
      {"[run] timezone", environment.timezone},
      {"[run] triggered_by", run.triggered_by},
      {"[run] lock_wait", fmt::format("{}", run.lock_wait.count() / 1000)},
      {"[events] enabled", fmt::format("{}", run.events)},
      {"[events] max_universe_events", fmt::format("{}", run.max_universe_events)},
      {"[ipo] days", fmt::format("{}", run.policy.ipo_days)},
      {"[guards] max_vanished_percent", fmt::format("{}", guards.max_vanished_percent)},
      {"[guards] max_appeared_percent", fmt::format("{}", guards.max_appeared_percent)},
      {"[guards] max_removed_percent", fmt::format("{}", guards.max_removed_percent)},
      {"[guards] max_data_age_days", "none"}};

  Strings expected;
  const std::string code = source("cli/config_file.cpp");
  for (const auto& call : matches(code, "reader\\.(take\\w*\\(\\s*\"\\w+\"(?:,\\s*\"\\w+\")?)")) {
    const auto names = matches(call, "\"(\\w+)\"");
    expected.insert(names.size() == 1 ? "[guards] " + names[0] : "[" + names[0] + "] " + names[1]);
  }
  REQUIRE(expected.size() == matches(code, "(reader\\.take)").size());

  const TemporaryDirectory directory;
  Strings documented;
  for (const Part& part : section("CONFIGURATION FILE")) {
    for (const Item& item : part.items) {
      std::smatch head;
      INFO(item.head);
      REQUIRE(
          std::regex_match(item.head, head, std::regex("Cm (\\w+) Pq \"(.*); default (\\S+)\"")));
      const std::string key = part.heading + " " + head[1].str();
      CHECK(documented.insert(key).second);
      CHECK(defaults.at(key) == head[3]);
      // The program itself tells the type, and the bounds of whole numbers.
      const auto demand = [&](const std::string& value) {
        const std::string file = directory.write(
            "config.toml", fmt::format("{}\n{} = {}\n", part.heading, head[1].str(), value), 0600);
        const ProcessResult result = run_program({"init", "--print-sql", "--config", file});
        CHECK(result.status == 78);
        const auto said = matches(result.err, "\\] " + head[1].str() + " must be (?:a )?(.*)\n");
        return said.empty() ? result.err : said.front();
      };
      std::string type = demand("1999-12-31");
      if (type == "whole number") type += " " + demand("-1");
      CHECK(type == head[2]);
    }
  }
  CHECK(documented == expected);
}

TEST_CASE("the man page documents exactly the events") {
  const std::string code = source("lib/events/messages.cpp");
  const std::string pattern = "\"(tickstock:[a-z_:]+)\",\\s*\"([a-z_]+)\"";
  const auto channels = matches(code, pattern, 1);
  const auto events = matches(code, pattern, 2);
  REQUIRE(channels.size() == matches(code, "\"(tickstock:)").size());
  Strings expected;
  for (std::size_t i = 0; i < channels.size(); ++i)
    expected.insert("Sy " + channels[i] + " Pq " + events[i]);
  CHECK(set_of(heads("EVENTS")) == expected);
}

TEST_CASE("the man page documents the fields of events, documents and log") {
  const std::string messages = source("lib/events/messages.cpp");
  const std::string output =
      source("cli/output_json.cpp") + source("cli/logging.cpp") + source("lib/sync/report.cpp");
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

TEST_CASE("the man page documents exactly the guards") {
  const auto expected = matches(source("lib/tasks/guards.cpp"), "return \\{\\s*\"([a-z_]+)\"");
  REQUIRE(expected.size() >= 5);
  CHECK(set_of(heads("GUARDS")) == set_of(expected));
}

TEST_CASE("the man page names the limits that the program keeps") {
  const tickstock::sync::Environment environment;
  const auto seconds = [](std::chrono::milliseconds time) { return time.count() / 1000; };
  const auto& database = environment.database;
  const std::string text = section_text("DESCRIPTION");
  CHECK_THAT(text, contains(fmt::format("{} seconds to connect to PostgreSQL, {} seconds for a "
                                        "statement and {} seconds for a lock",
                                        seconds(database.connect_timeout),
                                        seconds(database.statement_timeout),
                                        seconds(database.lock_timeout))));
  CHECK_THAT(text, contains(fmt::format("{} seconds to connect to Redis",
                                        seconds(environment.redis.connect_timeout))));
  CHECK_THAT(text, contains(fmt::format("and {} seconds to publish",
                                        seconds(environment.redis.publish_timeout))));
}

TEST_CASE("every command line among the examples of the man page can be used") {
  std::string text;
  for (const Part& part : section("EXAMPLES")) text += part.text;
  std::size_t examples = 0;
  // What the shell would put in is, in all of them, a digest.
  text = std::regex_replace(text, std::regex("\"\\$\\([^)]*\\)\""), std::string(64, '0'));
  for (const std::string& block : matches(text, "\\.Bd -literal[^\n]*\n([^]*?)\\.Ed")) {
    for (const std::string& line : matches(block, "tickstock-cache ([^|>;\n]*)")) {
      INFO(line);
      ++examples;
      const ProcessResult result = run_program(words_of(line));
      INFO(result.err);
      CHECK(result.status == 5);
    }
  }
  CHECK(examples >= 10);
}
