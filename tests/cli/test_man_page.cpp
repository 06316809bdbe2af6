// The man pages and the program agree.

#include <fmt/format.h>

#include <filesystem>
#include <regex>

#include "cli/man_pages.hpp"
#include "cli/scene.hpp"
#include "events/messages.hpp"
#include "sync/options.hpp"

using namespace tickstock::test;
namespace fs = std::filesystem;

namespace {

/// Returns the options that `--help` prints: all names, the value, and what is in parentheses at
/// the end, which is a default or a variable.
Strings help_options(const std::string& command) {
  static const std::regex form("^  (-\\S+)(?: (\\S+))?(?:  +(\\S.*))?$");
  Strings options;
  const auto lines = lines_of(help_of(command));
  for (std::size_t i = 0; i < lines.size(); ++i) {
    std::smatch match;
    if (!std::regex_match(lines[i], match, form)) continue;
    std::string description = match[3];
    while (lines.at(i + 1).starts_with("     ")) {
      ++i;
      description += lines[i].substr(lines[i].find_first_not_of(' ') - 1);
    }
    const auto standard = matches(description, "(\\([^()]*\\))$");
    options.insert(match[1].str() + " " + match[2].str() + " " +
                   (standard.empty() ? "" : standard.front()));
  }
  REQUIRE(options.contains("-h,--help  "));
  return options;
}

/// Returns the same for an item such as `Fl -format Cm text Ns | Ns Cm json`.
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
  // Without a default, use the variable.
  if (standard.empty())
    standard = matches(item.body, "Without it,.*?\\.Ev ((?:DATABASE|REDIS|TICKSTOCK)_\\w+)");
  return names + " " + value + " " + (standard.empty() ? "" : "(" + standard[0] + ")");
}

/// Returns the options in a list of a page; a command's page has no others.
Strings page_options(const ManPage& page, const std::string& heading = "") {
  Strings options;
  for (const Part& part : page.section("OPTIONS")) {
    if (!heading.empty() && part.heading != heading) continue;
    for (const Item& item : part.items) {
      INFO(part.heading << ": " << item.head);
      CHECK(options.insert(page_option(item)).second);
    }
  }
  return options;
}

/// Returns everything that a program says about a page; nothing if it is not installed.
std::string words_about(const std::string& page, std::vector<std::string> command) {
  if (run_process({"sh", "-c", "command -v " + command.front()}).status != 0) {
    WARN(command.front() + " is not installed");
    return "";
  }
  command.push_back(TICKSTOCK_CACHE_MAN_DIR "/" + page);
  const ProcessResult result = run_process(command);
  return result.out + result.err;
}

}  // namespace

TEST_CASE("the man pages are clean for mandoc and groff, and fit 80 columns") {
  for (const std::string& page : all_pages()) {
    INFO(page);
    CHECK(words_about(page, {"mandoc", "-T", "lint", "-W", "warning"}).empty());
    CHECK(words_about(page, {"groff", "-man", "-mdoc", "-ww", "-z"}).empty());
    const std::string shown = words_about(page, {"mandoc", "-T", "ascii", "-O", "width=78"});
    for (const std::string& line : lines_of(std::regex_replace(shown, std::regex(".\b"), ""))) {
      INFO(line);
      CHECK(line.size() <= 80);
    }
  }
}

TEST_CASE("the man pages are of this version, and refer to pages that are there") {
  const std::string version = words_of(run_alone({"--version"}).out).at(1);
  const Strings pages = all_pages();
  for (const std::string& page : pages) {
    INFO(page);
    const std::string text = ManPage(page).text();
    CHECK_THAT(text, contains("\n.Os \"tickstock-cache " + version + "\"\n"));
    for (const std::string& other : matches(text, "\\.Xr (tickstock-cache\\S* \\d)")) {
      INFO(other);
      CHECK(pages.contains(std::regex_replace(other, std::regex(" "), ".")));
    }
    const std::string name = page.substr(0, page.rfind('.'));
    CHECK_THAT(text, contains("\n.Nm " + name + "\n.Nd "));
  }
}

TEST_CASE("there is a man page for each command, and the overview refers to all pages") {
  const ManPage overview;
  CHECK(set_of(overview.heads("COMMANDS", "^Cm (\\S+)")) == commands());
  for (const Part& part : overview.section("COMMANDS")) {
    for (const Item& item : part.items)
      CHECK_THAT(item.body, contains(".Xr tickstock-cache-" + item.head.substr(3) + " 1 ."));
  }
  Strings listed = set_of(matches(overview.section_text("SEE ALSO"), "(tickstock-cache\\S* \\d)"));
  listed.insert("tickstock-cache 1");
  for (const std::string& page : all_pages())
    CHECK(listed.contains(std::regex_replace(page, std::regex("\\.(.)$"), " $1")));
  for (const std::string& command : commands()) {
    CHECK(matches(page_of(command).section_text("SYNOPSIS"), "\\.Cm (\\S+)") == Names{command});
  }
}

TEST_CASE("the man pages document exactly the options of each command, with their defaults") {
  CHECK(page_options(ManPage(), "Everywhere") == help_options(""));
  for (const std::string& command : commands()) {
    INFO("command '" << command << "'");
    CHECK(page_options(page_of(command)) == help_options(command));
  }
}

TEST_CASE("the help fits 80 columns, groups the options and ends with examples of the man page") {
  const Strings groups{"Commands:", "Arguments:", "Plan:",       "Data:", "Events:",
                       "Output:",   "Examples:",  "Connection:", "Help:"};
  Strings all = commands();
  all.insert("");
  for (const std::string& command : all) {
    INFO("command '" << command << "'");
    const Names lines = lines_of(help_of(command));
    CHECK(lines.back() ==
          "See 'man tickstock-cache" + (command.empty() ? "" : "-" + command) + "' for details.");
    std::string page = page_of(command).section_text("EXAMPLES");
    page = std::regex_replace(page, std::regex(R"( \\e > +)"), " ");
    bool in_examples = false;
    std::size_t examples = 0;
    for (const std::string& line : lines) {
      INFO(line);
      CHECK(line.size() <= 80);
      if (line.ends_with(':')) CHECK(groups.contains(line));
      if (in_examples && line.starts_with("  ")) {
        CHECK_THAT(page, contains(line.substr(2)));
        ++examples;
      }
      in_examples = line == "Examples:" || (in_examples && !line.empty());
    }
    CHECK(examples > 0);
  }
}

TEST_CASE("options without effect are accepted but not listed") {
  const Fixture fixture;
  const std::map<std::string, Names> unlisted{
      {"dry-run", {"--run-id=x", "--lock-wait=1", "--metrics-file=m", "--redis-url=redis://h"}},
      {"status", {"--redis-url=redis://h", "--progress=never", "--timezone=UTC"}}};
  for (const auto& [command, options] : unlisted) {
    const std::string help = help_of(command);
    for (const std::string& option : options) {
      INFO(command << " " << option);
      CHECK(help.find(option.substr(0, option.find('='))) == std::string::npos);
      const ProcessResult result = fixture.run({command, option});
      CHECK(result.err.find("unknown option") == std::string::npos);
      CHECK(result.status != 64);
    }
  }
}

TEST_CASE("the man page documents exactly the exit statuses and the guards") {
  const auto statuses =
      matches(read_file(source_root / "cli/exit_status.hpp"), "\n  status_\\w+ = (\\d+)");
  REQUIRE(statuses.size() >= 13);
  CHECK(set_of(ManPage().heads("EXIT STATUS", "^(\\d+)(?:$|\\+ )")) == set_of(statuses));
  const auto guards = matches(read_file(source_root / "lib/rules/guards.cpp"),
                              "(?:return \\{|share\\(|push_back\\(\\{)\\s*\"([a-z_]+)\"");
  REQUIRE(guards.size() >= 6);
  CHECK(set_of(page_of("sync").heads("GUARDS", "^(.*)$")) == set_of(guards));
}

TEST_CASE("the man page documents exactly the variables that the program reads") {
  Strings expected;
  std::size_t calls = 0;
  for (const char* folder : {"cli", "lib"}) {
    for (const auto& entry : fs::recursive_directory_iterator(source_root / folder)) {
      if (entry.path().extension() != ".cpp") continue;
      const std::string text = read_file(entry.path());
      calls += matches(text, "(getenv)\\(").size();
      expected.merge(set_of(matches(text, "\\bvariable\\(\"(\\w+)\"")));
      expected.merge(set_of(matches(text, "(?:return|\\?) \"([A-Z]+_URL)\"")));
      for (const auto& list : matches(text, "set_among\\(\\{([^{}]*)\\}\\)"))
        expected.merge(set_of(matches(list, "\"(\\w+)\"")));
      for (const auto& list : matches(text, "\\{([^{}]*)\\}\\)\\s*::unsetenv\\(name\\)"))
        expected.merge(set_of(matches(list, "\"(\\w+)\"")));
    }
  }
  // All of them go through one function of cli/environment.cpp.
  CHECK(calls == 1);
  REQUIRE(expected.size() >= 10);
  Strings documented = set_of(ManPage().heads("ENVIRONMENT", "\\b([A-Z][A-Z_]+)\\b"));
  for (const std::string& name : expected) {
    INFO(name);
    CHECK(documented.erase(name) == 1);
  }
  std::erase_if(documented, [](const std::string& name) {
    return name.starts_with("PG") || name.starts_with("SSL_CERT_");  // of libpq, of OpenSSL
  });
  CHECK(documented.empty());
}

TEST_CASE("the page of events has exactly the events, each with its channel") {
  const std::string code = read_file(source_root / "lib/events/messages.hpp");
  const std::string pattern = "\"(tickstock:[a-z_:]+)\",\\s*\"([a-z_]+)\"";
  const auto channels = matches(code, pattern, 1);
  const auto events = matches(code, pattern, 2);
  REQUIRE(channels.size() == matches(code, "\"(tickstock:)").size());
  Strings expected;
  for (std::size_t i = 0; i < channels.size(); ++i)
    expected.insert(events[i] + " on " + channels[i]);
  CHECK(set_of(matches(ManPage("tickstock-cache-events.7").text(), "\n\\.Ss ([^\n]*)")) ==
        expected);
}

TEST_CASE("the man pages document the fields of documents and log, and those of events") {
  const std::string messages = read_file(source_root / "lib/events/messages.cpp");
  const std::string output = read_file(source_root / "cli/show/output.hpp") +
                             read_file(source_root / "cli/show/listings.cpp") +
                             read_file(source_root / "cli/show/report.cpp") +
                             read_file(source_root / "cli/show/questions.cpp") +
                             read_file(source_root / "cli/logging.cpp") +
                             read_file(source_root / "lib/tables/runs.hpp") +
                             read_file(source_root / "lib/sync/report.cpp");
  const ManPage overview;
  std::string documents = overview.section_text("OUTPUT") + page_of("sync").section_text("OUTPUT");
  for (const char* command : {"status", "history", "explain", "universes", "members", "check",
                              "config", "replay", "events"})
    documents += page_of(command).section_text("DESCRIPTION");
  for (const auto& [text, code] : {std::pair(ManPage("tickstock-cache-events.7").text(), messages),
                                   std::pair(documents, output)}) {
    const Strings words = set_of(matches(text, "\\b(\\w+)\\b"));
    Strings fields = set_of(matches(code, "(?:key|column)\\(\"(\\w+)\""));
    for (const std::string& pairs : matches(code, "(?:put|object|document|envelope)\\(([^;]*);")) {
      fields.merge(set_of(matches(pairs, "\"(\\w+)\"")));
    }
    REQUIRE(fields.size() >= 40);
    for (const std::string& field : fields) {
      INFO(field);
      CHECK(words.contains(field));
    }
  }
}

TEST_CASE("the man page names the limits that the program keeps") {
  const tickstock::postgres::ConnectionSettings database;
  const tickstock::redis::RedisSettings redis;
  const auto seconds = [](std::chrono::milliseconds time, const std::string& what) {
    return contains(fmt::format("{} seconds {}", time.count() / 1000, what));
  };
  const std::string text = ManPage().section_text("DESCRIPTION");
  CHECK_THAT(text, seconds(database.connect_timeout, "to connect to PostgreSQL"));
  CHECK_THAT(text, seconds(database.statement_timeout, "for a statement"));
  CHECK_THAT(text, seconds(database.lock_timeout, "for a lock"));
  CHECK_THAT(text, seconds(redis.connect_timeout, "to connect to Redis"));
  CHECK_THAT(text, seconds(database.commit_timeout, "for the answer to COMMIT"));
  CHECK_THAT(text, seconds(redis.publish_timeout, "to publish"));
  CHECK_THAT(text, seconds(tickstock::sync::Environment().timeout, "for a command as a whole"));
  CHECK_THAT(ManPage().section_text("EVENTS"),
             contains(fmt::format("more than {} bytes", tickstock::events::largest_message)));
}
