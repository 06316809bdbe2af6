#include <sys/stat.h>

#include <algorithm>
#include <fstream>
#include <map>

#include "domain/error.hpp"
#include "environment.hpp"
#include "options.hpp"
#include "settings.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace tickstock;
using namespace tickstock::cli;
using tickstock::test::contains;
using tickstock::test::TemporaryDirectory;

namespace {

/// A file with this text and mode, in its own folder.
class File {
 public:
  explicit File(const std::string& text, mode_t mode = 0600) : path_(directory_.file("file")) {
    std::ofstream(path_) << text;
    ::chmod(path_.c_str(), mode);
  }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  TemporaryDirectory directory_;
  std::string path_;
};

std::string refusal(const std::string& text, mode_t mode = 0600) {
  const File file(text, mode);
  const Config config = read_config_file(file.path());
  if (!config.problem) return "accepted";
  CHECK(config.problem->kind() == ErrorKind::config);
  CHECK_THAT(config.problem->what(), contains(file.path()));
  return config.problem->what();
}

}  // namespace

TEST_CASE("a configuration file sets what it names") {
  const File file(R"(
[database]
url = "postgresql://host/db"
connections = 2
[tables]
schema = "app"
entries = "other.universes"
[run]
timezone = "UTC"
lock_wait = 60
[events]
enabled = false
max_universe_events = 0
[ipo]
days = 45
[outbox]
max_age = 3
keep_days = 0
[journal]
keep_days = 90
keep_runs = 100
[guards]
max_vanished_percent = 3
max_removed_percent = 12.5
max_data_age_days = 4
)",
                  0644);
  const Config read = read_config_file(file.path());
  CHECK_FALSE(read.problem);
  const std::vector<Given>& config = read.given;
  std::map<std::string, std::string> found;
  for (const Given& each : config) {
    CHECK(each.origin.kind == Origin::Kind::file);
    found[each.setting->name] = toml_text(each.value);
  }
  CHECK(found == std::map<std::string, std::string>{{"database.url", "\"postgresql://host/db\""},
                                                    {"database.connections", "2"},
                                                    {"tables.schema", "\"app\""},
                                                    {"tables.entries", "\"other.universes\""},
                                                    {"run.timezone", "\"UTC\""},
                                                    {"run.lock_wait", "60"},
                                                    {"events.enabled", "false"},
                                                    {"events.max_universe_events", "0"},
                                                    {"ipo.days", "45"},
                                                    {"outbox.max_age", "3"},
                                                    {"outbox.keep_days", "0"},
                                                    {"journal.keep_days", "90"},
                                                    {"journal.keep_runs", "100"},
                                                    {"guards.max_vanished_percent", "3"},
                                                    {"guards.max_removed_percent", "12.5"},
                                                    {"guards.max_data_age_days", "4"}});
  // The text begins with an empty line.
  const auto zone = std::find_if(config.begin(), config.end(), [](const Given& each) {
    return each.setting == &setting("run.timezone");
  });
  REQUIRE(zone != config.end());
  CHECK(zone->origin.name == file.path() + ":9");
}

TEST_CASE("an empty file sets nothing, and neither does /dev/null") {
  const File empty("");
  for (const std::string& path : {empty.path(), std::string("/dev/null")}) {
    const Config config = read_config_file(path);
    CHECK(config.given.empty());
    CHECK_FALSE(config.problem);
  }
}

TEST_CASE("valid settings in a file with a problem still determine how that is shown") {
  const File wrong(R"([output]
format = "json"
[redis]
url = "redis://cache"
[run]
timezon = "UTC"
)");
  const Config config = read_config_file(wrong.path());
  REQUIRE(config.problem);
  CHECK_THAT(config.problem->what(), contains("Did you mean"));
  CHECK(config.given.size() == 2);
  const File open("[log]\nformat = 'json'\n[redis]\nurl = 'redis://:CANARY@cache'\n", 0644);
  const Config readable = read_config_file(open.path());
  REQUIRE(readable.problem);
  CHECK_THAT(readable.problem->what(), contains("chmod 600"));
  REQUIRE(readable.given.size() == 1);
  CHECK(readable.given[0].setting == &setting("log.format"));
}

TEST_CASE("a mistake in a file is named by line or key") {
  CHECK_THAT(refusal("[run]\ntimezone = \n"), contains("line 2"));
  CHECK_THAT(refusal("[run]\ntimezon = \"UTC\"\n"),
             contains("line 2: there is no setting [run] timezon. Did you mean [run] timezone?"));
  CHECK_THAT(refusal("[events]\ntimezone = \"UTC\"\n"), contains("Did you mean [run] timezone?"));
  CHECK_THAT(refusal("[gaurds]\nmax_data_age_day = 2\n"),
             contains("Did you mean [guards] max_data_age_days?"));
  CHECK_THAT(refusal("[run]\nqqqqqqqqqqqqq = 1\n"), contains("config --example"));
  CHECK_THAT(refusal("[runs]\na = 1\n"), contains("[runs] a"));
  CHECK_THAT(refusal("[stabilty]\n"),
             contains("line 1: there is no section [stabilty]. Did you mean [stability]?"));
  CHECK(refusal("[stability]\n") == "accepted");
  CHECK_THAT(refusal("timezone = \"UTC\"\n"), contains("outside a section"));
  CHECK_THAT(refusal("[run]\ntimezone = 5\n"), contains("line 2: [run] timezone must be a string"));
  for (const char* const text :
       {"[metrics]\nfile = \"/tmp/a\\u0000b\"\n", "[eod]\nlists = [\"a\\u0000b\"]\n",
        "[redis]\nurl = \"unix:///tmp/a\\u0000b\"\n"}) {
    CHECK_THAT(refusal(text), contains("must not hold a NUL"));
  }
  CHECK_THAT(refusal("[database]\nconnections = 3\n"),
             contains("[database] connections must be a whole number from 1 to 2"));
  CHECK_THAT(refusal("[ipo]\ndays = 0\n"), contains("[ipo] days must be a whole number from 1"));
  CHECK_THAT(refusal("[ipo]\ndays = \"30\"\n"), contains("[ipo] days must be a whole number"));
  CHECK_THAT(refusal("[guards]\nmax_vanished_percent = nan\n"), contains("max_vanished_percent"));
  CHECK_THAT(refusal("[guards]\nmax_vanished_percent = 101\n"), contains("from 0 to 100"));
  CHECK_THAT(refusal("[events]\nenabled = 1\n"), contains("true or false"));
}

TEST_CASE("a key as deep as a file is long is refused instead of exhausting the stack") {
  std::string key;
  for (int i = 0; i < 200'000; ++i) key += "a.";
  CHECK_THAT(refusal("# deep\n[" + key + "b]\nc = 1\n"),
             contains("line 2 is longer than 4096 bytes"));
  CHECK_THAT(refusal("[run]\n" + key + "b = 1"), contains("line 2 is longer than 4096 bytes"));
}

TEST_CASE("a file with a password is for its owner's eyes only") {
  const std::string secret = "[database]\nurl = \"postgresql://u:CANARY@h/d\"\n";
  CHECK_THAT(refusal(secret, 0644), contains("chmod 600"));
  CHECK_THAT(refusal(secret, 0640), !contains("CANARY"));
  CHECK(refusal(secret, 0600) == "accepted");
  CHECK_THAT(refusal("[redis]\nurl = \"redis://:CANARY@h\"\n", 0604), contains("chmod 600"));
  CHECK(refusal("[redis]\nurl = \"redis://h\"\n", 0644) == "accepted");
  CHECK_THAT(refusal("[database]\nurl = \"postgresql://u:CANARY@h/d\n", 0600), !contains("CANARY"));
}

TEST_CASE("a secret file is one line of a private regular file") {
  const File good("  postgresql://u:p@h/d \nrest\n");
  CHECK(read_secret_file(good.path()) == "postgresql://u:p@h/d");
  const File open("x\n", 0644);
  CHECK_THROWS_WITH(read_secret_file(open.path()), contains("chmod 600"));
  const File empty("\n");
  CHECK_THROWS_WITH(read_secret_file(empty.path()), contains("first line is empty"));
  CHECK_THROWS_WITH(read_secret_file("/nowhere/at/all"), contains("/nowhere/at/all"));
  CHECK_THROWS_WITH(read_secret_file("/tmp"), contains("not a regular file"));
}

namespace {

Settings resolved(const Options& options, const std::string& default_file) {
  Settings settings;
  if (const auto problem = resolve_settings(options, settings, default_file)) throw Error(*problem);
  return settings;
}

}  // namespace

TEST_CASE("the default configuration file is read where it exists and no other is named") {
  const auto zone = [](const Settings& settings) { return settings.environment.timezone; };
  const File standard("[run]\ntimezone = 'Asia/Tokyo'\n");
  const File named("[run]\nlock_wait = 5\n");

  const Settings read = resolved({}, standard.path());
  CHECK(read.config_file == standard.path());
  CHECK(read.missing_config_file.empty());
  CHECK(zone(read) == "Asia/Tokyo");

  Options options;
  options.config_file = named.path();
  const Settings other = resolved(options, standard.path());
  CHECK(other.config_file == named.path());
  CHECK(zone(other) == zone(Settings()));

  ::setenv("TICKSTOCK_CACHE_CONFIG", named.path().c_str(), 1);
  CHECK(resolved({}, standard.path()).config_file == named.path());
  ::setenv("TICKSTOCK_CACHE_CONFIG", "", 1);
  CHECK(resolved({}, standard.path()).config_file == standard.path());
  ::unsetenv("TICKSTOCK_CACHE_CONFIG");
}

TEST_CASE("a default configuration file need not exist, but one that exists must be usable") {
  const TemporaryDirectory directory;
  for (const std::string& missing : {directory.file("none"), directory.file("none/none")}) {
    const Settings settings = resolved({}, missing);
    CHECK(settings.config_file.empty());
    CHECK(settings.missing_config_file == missing);
  }
  CHECK(resolved({}, "").missing_config_file.empty());
  CHECK_THROWS_WITH(resolved({}, directory.path()), contains("not a regular file"));
  const File broken("[run]\ntimezon = 'UTC'\n");
  CHECK_THROWS_WITH(resolved({}, broken.path()), contains(broken.path()));
}
