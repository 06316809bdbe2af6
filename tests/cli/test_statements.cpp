// The page of statements lists every kind of statement that the program sends to PostgreSQL, and no
// others.

#include <algorithm>
#include <map>
#include <regex>
#include <set>

#include "cli/man_pages.hpp"
#include "cli/scene.hpp"
#include "peers.hpp"

using namespace tickstock::test;

namespace {

/// Kinds of statements: what each does, and to which table; session statements have no table.
using Kinds = std::set<std::string>;

std::string kind(const std::string& verb, const std::string& table) {
  return table.empty() ? verb : verb + " " + table;
}

const std::regex& verb_before_table() {
  static const std::regex verbs(
      "(INSERT INTO|UPDATE|DELETE FROM|CREATE TABLE IF NOT EXISTS|CREATE TABLE|ALTER TABLE|"
      "COMMENT ON TABLE|DROP INDEX|REFERENCES|ON) $");
  return verbs;
}

/// Returns the kinds of a statement. An unknown statement gets a kind that no page lists.
Kinds kinds_of(const std::string& sql) {
  static const std::regex quoted(R"re("([a-z_0-9]+)")re");
  static const std::regex space(R"(\s+)");
  static const std::regex table(R"(public\.([a-z_]+))");
  static const std::regex catalog(R"((?:FROM|JOIN) (?:pg_catalog\.)?(pg_[a-z_]+)\b(?!\())");
  static const std::regex function(
      R"((pg_[a-z_]*advisory[a-z_]*|set_config|setval|nextval|pg_export_snapshot)\()");
  static const std::regex session(
      "^(BEGIN|COMMIT|ROLLBACK TO SAVEPOINT|ROLLBACK|SAVEPOINT|RELEASE SAVEPOINT|SET LOCAL|"
      "SET TRANSACTION SNAPSHOT|SHOW)\\b.*");
  static const std::regex other(
      "^(SELECT|WITH|COPY|INSERT|UPDATE|DELETE|CREATE|ALTER|DO|COMMENT) .*");
  static const std::map<std::string, std::string> called{
      {"INSERT INTO", "INSERT"},          {"DELETE FROM", "DELETE"},
      {"CREATE TABLE", "CREATE TABLE"},   {"CREATE TABLE IF NOT EXISTS", "CREATE TABLE"},
      {"COMMENT ON TABLE", "COMMENT ON"}, {"ON", "CREATE INDEX"}};
  const std::string text = std::regex_replace(std::regex_replace(sql, quoted, "$1"), space, " ");
  const std::string line = text.substr(text.find_first_not_of(' '));
  Kinds kinds;
  std::smatch match;
  if (std::regex_match(line, match, session)) {
    kinds.insert(match[1]);
  } else if (!std::regex_match(line, other)) {
    kinds.insert(line);
  }
  for (std::sregex_iterator it(line.begin(), line.end(), table), end; it != end; ++it) {
    std::string verb = line.starts_with("COPY") ? "COPY" : "SELECT";
    const std::string before = it->prefix();
    std::smatch found;
    if (std::regex_search(before, found, verb_before_table())) {
      const auto name = called.find(found[1]);
      verb = name == called.end() ? found[1].str() : name->second;
    }
    kinds.insert(kind(verb, (*it)[1]));
  }
  for (std::sregex_iterator it(line.begin(), line.end(), catalog), end; it != end; ++it) {
    kinds.insert(kind("SELECT", (*it)[1]));
  }
  for (std::sregex_iterator it(line.begin(), line.end(), function), end; it != end; ++it) {
    kinds.insert((*it)[1]);
  }
  if (line.find("FOR UPDATE SKIP LOCKED") != std::string::npos) {
    kinds.insert("FOR UPDATE SKIP LOCKED");
  }
  return kinds;
}

/// The kinds that the page lists, and those of them that it attributes to read-only commands.
struct Page {
  Kinds all, read;

  Page() {
    static const std::regex head("Ic ([^,]+?)(?: Va ([a-z_ ,]+?))?( Em reads)?");
    for (const Part& part : ManPage("tickstock-cache-statements.7").section("STATEMENTS")) {
      for (const Item& item : part.items) {
        INFO(item.head);
        std::smatch match;
        REQUIRE(std::regex_match(item.head, match, head));
        const Names tables = match[2].matched ? words_of(match[2]) : Names{""};
        for (const std::string& each : tables) {
          if (each == ",") continue;
          CHECK(all.insert(kind(match[1], each)).second);
          if (match[3].matched) read.insert(kind(match[1], each));
        }
      }
    }
  }
};

/// A server that logs every statement.
class Logging {
 public:
  Logging() {
    Session(postgres.url("postgres")).execute("CREATE ROLE job LOGIN; CREATE ROLE reader LOGIN");
  }

  Kinds sent_by(const std::string& role) {
    const std::string end = fmt::format("the end of the log for the time {}", ++times_read_);
    Session(postgres.url("postgres")).execute("SELECT '" + end + "'");
    std::string log;
    wait_until("the log to be written", [&] {
      log = file_text(postgres.data_directory() + "/log/statements.json");
      return log.find(end) != std::string::npos;
    });
    Kinds kinds;
    for (const std::string& line : lines_of(log.substr(0, log.rfind('\n') + 1))) {
      const Json entry = Json::parse(line);
      const auto field = [&entry](const std::string& name) {
        return entry.has(name) ? entry.at(name).str() : std::string();
      };
      if (field("user") != role) continue;
      for (const std::string prefix : {"execute <unnamed>: ", "statement: "}) {
        if (field("message").starts_with(prefix)) {
          kinds.merge(kinds_of(field("message").substr(prefix.size())));
        }
      }
    }
    return kinds;
  }

  Postgres postgres{PostgresOptions{
      .settings = {"logging_collector = on", "log_destination = 'jsonlog'", "log_directory = 'log'",
                   "log_filename = 'statements.log'", "log_statement = 'all'"}}};

 private:
  int times_read_ = 0;
};

/// Runs every command so that each sends all of its statements.
class Tour {
 public:
  explicit Tour(Postgres& postgres) : fixture_({.entries = false}, postgres) {
    fixture_.database().execute(
        "GRANT CREATE ON SCHEMA public TO job; GRANT SELECT ON symbols, ohlcv_daily TO job; "
        "GRANT pg_read_all_data TO reader");
  }

  void set_up() {
    expect({"init"}, 0);
    fixture_.database().execute("COMMENT ON TABLE cache_sync_outbox IS 'tickstock-cache schema 1'");
    expect({"init"}, 0);
    add_small_market(fixture_);
    fixture_.database().execute("INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', $1)",
                                {market_day});
  }

  void nights() {
    task({"sync", "--run-id", "night-1", "--config", config_}, 0);
    task({"sync", "--run-id", "night-1"}, 64);
    change("MID", "400000000");
    task({"sync"}, 0);
    task({"sync"}, 0);
    fixture_.add_symbol({.symbol = "NEXT", .listing_date = "2024-06-27"});
    look();
    fixture_.database().execute("DELETE FROM ohlcv_daily");
    task({"sync", "--config", config_}, 4);
  }

  /// Adds members to an entry created by somebody else.
  void declared() {
    fixture_.set_entry("hand", "theme", R"({"symbols": [], "count": 0})");
    const std::string config = directory_.write(
        "declared.toml",
        "[[universe]]\nname = 'hand'\nmaintain = 'additions'\nexcept = { sector = ['x'] }\n");
    task({"themes", "--config", config}, 0);
  }

  /// Queries the past, edits by somebody else, and an undo.
  void past() {
    const Environment reader{{"DATABASE_URL", fixture_.database().url("reader")}};
    expect({"members", "mid_cap"}, 0, reader);
    expect({"members", "mid_cap", "--as-of", market_day}, 0, reader);
    change("MID", "3000000000");
    task({"sync", "--run-id", "wrong"}, 0);
    expect({"undo", "wrong", "--dry-run"}, 0, reader);
    expect({"undo", "wrong", "--run-id", "back"}, 0);
    fixture_.database().execute("DELETE FROM cache_entries WHERE universe = 'mid_cap'");
    expect({"check"}, 1, reader);
    expect({"undo", "back", "--dry-run"}, 4, reader);
    const Json plan =
        Json::parse(fixture_.run({"undo", "back", "--dry-run", "--format", "json"}).out);
    expect({"undo", "back", "--approve-plan", plan.at("plan_digest").str()}, 0);
  }

  /// Makes a member wait, and come back.
  void stable() {
    const std::string config = directory_.write("still.toml", "[stability]\nnights = 3\n");
    change("MID", "3000000000");
    task({"sync", "--config", config}, 0);
    change("MID", "400000000");
    task({"sync", "--config", config}, 0);
    fixture_.database().execute(
        "UPDATE symbols SET shares_outstanding = 1; INSERT INTO ohlcv_daily (symbol, date, close) "
        "VALUES ('MID', '2024-06-25', 1)");
    const Environment reader{{"DATABASE_URL", fixture_.database().url("reader")}};
    expect({"replay", "--from", "2024-06-24", "--to", "2024-06-28"}, 0, reader);
  }

  /// Runs the read-only commands, with a separate role.
  void look() {
    const Environment reader{{"DATABASE_URL", fixture_.database().url("reader")}};
    task({"dry-run", "--config", config_}, 0, reader);
    task({"dry-run", "--market-cap-from", "prices"}, 0, reader);
    expect({"check"}, 1, reader);
    expect({"status"}, 0, reader);
    expect({"status", "night-1"}, 0, reader);
    expect({"history"}, 0, reader);
    expect({"history", "--universe", "nope"}, 1, reader);
    expect({"history", "--symbol", "nope"}, 1, reader);
    expect({"explain", "MID"}, 0, reader);
    expect({"explain", "MID", "--as-of", market_day}, 0, reader);
    expect({"universes"}, 0, reader);
    expect({"history", "--universe", "mid_cap", "--symbol", "MID"}, 0, reader);
    // What libpq asks a server that does not report it.
    const ReticentProxy proxy(fixture_.database().postgres().port());
    const std::string url = fixture_.database().tcp_url("reader", proxy.port());
    for (const std::string wanted : {"read-write", "primary"}) {
      task({"dry-run"}, 0, {{"DATABASE_URL", url + "?target_session_attrs=" + wanted}});
    }
  }

  void look_over_two_connections() {
    const std::string config = directory_.write(
        "two.toml", "[database]\nconnections = 2\n[guards]\nmax_data_age_days = 3\n");
    task({"dry-run", "--config", config}, 0, {{"DATABASE_URL", fixture_.database().url("reader")}});
  }

  void other_type() {
    fixture_.database().execute(
        "ALTER TABLE symbols ALTER market_cap TYPE float8, ALTER listing_date TYPE timestamptz, "
        "ALTER delisted_date TYPE timestamptz; ALTER TABLE ohlcv_daily ALTER date TYPE timestamptz;"
        "INSERT INTO ohlcv_daily (symbol, date) VALUES ('MEGA', '" +
        market_day + " 12:00+00')");
  }

  void in_the_way() {
    {
      Session holder = fixture_.database().connect();
      holder.execute("BEGIN");
      holder.execute("SELECT pg_advisory_xact_lock(" + run_lock_sql + ")");
      task({"sync"}, 11);
    }
    change("MID", "3000000000");
    break_universe(fixture_, "top_500", "22000");
    task({"sync"}, 3);
    fixture_.database().execute("DROP TRIGGER refuse ON cache_entries");
  }

  void events() {
    change("MID", "400000000");
    task({"sync"}, 6, redis_down());
    const std::string pending = fixture_.database().value(
        "SELECT event_id FROM cache_sync_outbox WHERE published_at IS NULL LIMIT 1");
    expect({"deliver", "--discard", pending}, 0);
    expect({"deliver", "--discard", pending}, 1);
    const std::string config = directory_.write("stream.toml", "[events]\nstream = 'stream'\n");
    expect({"deliver", "--renumber", "--config", config}, 0);
    // A stream that lacks what was published since.
    Redis::shared().command({"DEL", "stream"});
    Redis::shared().command({"XADD", "stream", "1-0", "event_id", "x"});
    change("MID", "3000000000");
    task({"sync", "--config", config}, 0);
    expect({"events"}, 0, {{"DATABASE_URL", fixture_.database().url("reader")}});
    expect({"deliver"}, 0);
  }

  void old_rows() {
    fixture_.database().execute("UPDATE cache_sync_runs SET started_at = '2000-01-01'");
    fixture_.database().execute(
        "UPDATE cache_sync_outbox SET published_at = NULL, created_at = '2000-01-01' "
        "WHERE run_id = 'night-1'");
    change("MID", "3000000000");
    task({"sync"}, 0);
  }

  void lost_commit() {
    at_commit(fixture_, "cache_entries",
              "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60);");
    change("MID", "400000000");
    task({"sync"}, 5);
    fixture_.database().execute("DROP TRIGGER at_commit ON cache_entries");
  }

  void lost_marks() {
    task({"sync"}, 6, redis_down());
    fixture_.database().execute(
        "CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON cache_sync_outbox "
        "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION at_commit()");
    expect({"deliver"}, 5);
    fixture_.database().execute("DROP TRIGGER at_commit ON cache_sync_outbox");
  }

 private:
  void expect(const Names& arguments, int status, Environment extra = {}) {
    extra.emplace("DATABASE_URL", fixture_.database().url("job"));
    const ProcessResult result = fixture_.run(arguments, extra);
    INFO(fmt::format("{}: {}{}", fmt::join(arguments, " "), result.out, result.err));
    CHECK(result.status == status);
  }

  void task(const Names& arguments, int status, const Environment& extra = {}) {
    expect(with(arguments, {"--as-of", market_day}), status, extra);
  }

  void change(const std::string& symbol, const std::string& cap) {
    fixture_.database().execute("UPDATE symbols SET market_cap = $2 WHERE symbol = $1",
                                {symbol, cap});
  }

  Fixture fixture_;
  TemporaryDirectory directory_;
  std::string config_ = directory_.write("c.toml", "[guards]\nmax_data_age_days = 3\n");
};

/// Returns what is in the first and not in the second.
Kinds beyond(const Kinds& first, const Kinds& second) {
  Kinds more;
  std::set_difference(first.begin(), first.end(), second.begin(), second.end(),
                      std::inserter(more, more.end()));
  return more;
}

}  // namespace

TEST_CASE("the page of statements lists the kinds that the program sends, and no others") {
  Logging server;
  Tour tour(server.postgres);
  tour.set_up();
  tour.nights();
  tour.declared();
  tour.past();
  tour.stable();
  tour.in_the_way();
  tour.events();
  tour.old_rows();
  tour.lost_commit();
  tour.lost_marks();
  tour.other_type();
  // A second connection that takes too long to answer is given up.
  const std::string joins = "SET TRANSACTION SNAPSHOT";
  for (int i = 0; i < 20 && (i == 0 || !server.sent_by("reader").contains(joins)); ++i) {
    tour.look_over_two_connections();
  }

  const Page page;
  const Kinds read = server.sent_by("reader");
  Kinds all = server.sent_by("job");
  all.insert(read.begin(), read.end());
  CHECK(beyond(all, page.all) == Kinds{});
  CHECK(beyond(page.all, all) == Kinds{});
  CHECK(beyond(read, page.read) == Kinds{});
  CHECK(beyond(page.read, read) == Kinds{});
}
