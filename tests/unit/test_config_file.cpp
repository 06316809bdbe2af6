#include <sys/stat.h>

#include <fstream>

#include "config_file.hpp"
#include "domain/error.hpp"
#include "secret_file.hpp"
#include "support/catch.hpp"
#include "support/temporary_directory.hpp"

using namespace tickstock;
using namespace tickstock::cli;
using tickstock::test::contains;
using tickstock::test::TemporaryDirectory;

namespace {

/// A file with this text and mode, in a folder of its own.
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
  try {
    read_config_file(file.path());
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::config);
    CHECK_THAT(error.what(), contains(file.path()));
    return error.what();
  }
  return "accepted";
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
  const ConfigFile config = read_config_file(file.path());
  CHECK(config.database_url == "postgresql://host/db");
  CHECK(config.connections == 2);
  CHECK_FALSE(config.redis_url.has_value());
  CHECK(config.outbox_max_age == 3);
  CHECK(config.outbox_keep_days == 0);
  CHECK(config.journal_keep_days == 90);
  CHECK(config.journal_keep_runs == 100);
  CHECK(config.schema == "app");
  CHECK(config.entries == "other.universes");
  CHECK(config.timezone == "UTC");
  CHECK(config.lock_wait == 60);
  CHECK(config.events == false);
  CHECK(config.max_universe_events == 0);
  CHECK(config.ipo_days == 45);
  CHECK(config.max_vanished_percent == 3.0);
  CHECK(config.max_removed_percent == 12.5);
  CHECK(config.max_data_age_days == 4);
}

TEST_CASE("an empty file sets nothing") {
  const File file("");
  CHECK_FALSE(read_config_file(file.path()).timezone.has_value());
  CHECK_FALSE(read_config_file(file.path()).connections.has_value());
}

TEST_CASE("what is wrong in a file is named by line or key") {
  CHECK_THAT(refusal("[run]\ntimezone = \n"), contains("line 2"));
  CHECK_THAT(refusal("[run]\ntimezon = \"UTC\"\n"),
             contains("line 2: there is no setting [run] timezon"));
  CHECK_THAT(refusal("[runs]\na = 1\n"), contains("[runs] a"));
  CHECK_THAT(refusal("timezone = \"UTC\"\n"), contains("outside a section"));
  CHECK_THAT(refusal("[run]\ntimezone = 5\n"), contains("[run] timezone must be a text"));
  CHECK_THAT(refusal("[database]\nconnections = 3\n"),
             contains("[database] connections must be from 1 to 2"));
  CHECK_THAT(refusal("[ipo]\ndays = 0\n"), contains("[ipo] days must be from 1"));
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
