#include "faults/night.hpp"

namespace tickstock::test {

namespace {

// Contains each character that a URL must escape, and a word that occurs nowhere else.
const std::string postgres_password = "CANARY-pg/@%:x";
const std::string postgres_password_in_url = "CANARY-pg%2F%40%25%3Ax";

/// Returns an entry without the time it was written.
Names rows_of(Fixture& fixture) {
  return fixture.database().column(
      "SELECT universe || ' ' || coalesce(cache_type, '') || ' ' || (content - 'last_updated')"
      "::text FROM cache_entries ORDER BY universe COLLATE \"C\"");
}

/// Returns the entries of the small market after a night without a fault.
const Names& fresh_rows() {
  static const Names rows = [] {
    Fixture fixture({}, guarded_postgres(), guarded_redis());
    add_small_market(fixture);
    REQUIRE(run_task(fixture, {"sync", "--no-events"}).status == 0);
    return rows_of(fixture);
  }();
  return rows;
}

bool is_stored_kind(const Json& message) {
  const std::string event = message.at("event").str();
  if (event == "cache_sync_completed") {
    return message.at("payload.status").str() == "completed";
  }
  return event == "universe_updated" || event == "ipo_assigned" || event == "delisting_cleanup";
}

}  // namespace

const std::string redis_password = "CANARY-rd";

PostgresOptions guarded(std::vector<std::string> settings) {
  return {
      .settings = std::move(settings),
      .access_rules = {"local all job scram-sha-256", "host all job 127.0.0.1/32 scram-sha-256"}};
}

void admit_job(Postgres& postgres) {
  Session admin(postgres.url("postgres"));
  admin.execute("CREATE ROLE job LOGIN PASSWORD '" + postgres_password + "'");
}

Postgres& guarded_postgres() {
  static const std::unique_ptr<Postgres> postgres = [] {
    auto made = std::make_unique<Postgres>(guarded());
    admit_job(*made);
    return made;
  }();
  return *postgres;
}

std::vector<std::string> redis_settings(const std::vector<std::string>& more) {
  return with({"requirepass " + redis_password}, more);
}

Redis& guarded_redis() {
  static Redis redis({.settings = redis_settings(), .password = redis_password});
  return redis;
}

Night::Night(Postgres& postgres, Redis& redis) : Night(postgres, redis, redis) {}

Night::Night(Postgres& postgres, Redis& redis, Redis& heard)
    : fixture({}, postgres, redis), redis_(heard) {
  // Create it before anything is published, since that empties the Redis.
  fresh_rows();
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const ProcessResult grants = fixture.run({"init", "--print-grants", "job"});
  REQUIRE(grants.status == 0);
  database().execute(grants.out);
  listen();
  before_ = fixture.entries_dump();
}

Environment Night::job(int postgres_port) const {
  const std::string user = "job:" + postgres_password_in_url;
  const Postgres& postgres = const_cast<Night*>(this)->database().postgres();
  Environment environment{
      {"DATABASE_URL",
       postgres.tcp_url(const_cast<Night*>(this)->database().name(), user, postgres_port)},
      {"REDIS_URL", redis_url()}};
  if (!servers_.empty() && postgres_port == 0) {
    Names hosts;
    for (const int port : servers_) hosts.push_back(fmt::format("127.0.0.1:{}", port));
    environment["DATABASE_URL"] =
        fmt::format("postgresql://{}@{}/{}?target_session_attrs=read-write", user,
                    fmt::join(hosts, ","), const_cast<Night*>(this)->database().name());
  }
  if (!events_.empty()) {
    environment["TICKSTOCK_CACHE_CONFIG"] = directory_.write("events.toml", events_);
  }
  return environment;
}

void Night::keep_stream() { events_ = stream_setting; }

Names Night::streamed() {
  Names ids;
  const Names lines = lines_of(redis_.command({"XRANGE", "tickstock:cache:events", "-", "+"}));
  for (std::size_t i = 2; i < lines.size(); i += 7) ids.push_back(lines[i]);
  return ids;
}

std::string Night::redis_url(int port) const {
  return fmt::format("redis://:{}@127.0.0.1:{}/0", redis_password,
                     port == 0 ? redis_.port() : port);
}

std::string Night::config(int statement_seconds, int publish_seconds) {
  return directory_.write("config.toml",
                          fmt::format("[timeouts]\nconnect = 2\nlock = 1\ncommit = 2\nredis = 2\n"
                                      "statement = {}\npublish = {}\n{}",
                                      statement_seconds, publish_seconds, events_));
}

ProcessResult Night::run(const Names& arguments, const Environment& extra) {
  Environment environment = job();
  for (const auto& [name, value] : extra) environment[name] = value;
  ProcessResult result = fixture.run(arguments, environment);
  CHECK_THAT(result.out + result.err, !contains("CANARY"));
  return result;
}

ProcessResult Night::sync(const Names& arguments, const Environment& extra) {
  return run(with({"sync", "--as-of", market_day}, arguments), extra);
}

std::unique_ptr<Process> Night::start(const Names& arguments, const Environment& extra) {
  Environment environment = job();
  for (const auto& [name, value] : extra) environment[name] = value;
  return std::make_unique<Process>(
      Fixture::command(with({"sync", "--as-of", market_day}, arguments)),
      fixture.options(environment));
}

ProcessResult Night::finish(Process& process) {
  ProcessResult result = process.wait();
  CHECK_THAT(result.out + result.err, !contains("CANARY"));
  return result;
}

std::unique_ptr<Session> Night::hold() {
  auto holder = std::make_unique<Session>(database().url());
  holder->execute("BEGIN");
  // The universe that is written last.
  holder->execute("SELECT FROM cache_entries WHERE universe = 'tech' FOR UPDATE");
  return holder;
}

void Night::wait_until_held() {
  wait_until("the run to be held", [this] { return !backend().empty(); });
}

std::string Night::backend() {
  const Names found = database().column(
      "SELECT pid FROM pg_stat_activity WHERE datname = current_database() "
      "AND application_name LIKE 'tickstock-cache%' AND wait_event_type = 'Lock'");
  return found.empty() ? "" : found.front();
}

Names Night::rows() { return rows_of(fixture); }

void Night::listen() { subscriber_ = std::make_unique<Subscriber>(redis_, redis_password); }

void Night::take_events() {
  for (const Event& event : subscriber_->drain()) {
    const Json message = Json::parse(event.message);
    if (!is_stored_kind(message)) continue;
    const std::string id = message.at("event_id").str();
    if (std::find(arrived_.begin(), arrived_.end(), id) == arrived_.end()) {
      arrived_.push_back(id);
    } else {
      ++repeated_;
    }
  }
}

Names Night::stored() {
  return database().column("SELECT event_id FROM cache_sync_outbox ORDER BY id");
}

const Names& Night::arrived() {
  take_events();
  return arrived_;
}

void Night::check(const ProcessResult& result, int status, Entries left, Sent sent,
                  const std::string& says) {
  INFO("standard error: " << result.err);
  INFO("standard output: " << result.out.substr(0, 600));
  CHECK(result.status == status);
  CHECK_THAT(result.err, contains(says));
  CHECK_THAT(result.out + result.err, !contains("CANARY"));
  if (left == Entries::same) {
    CHECK(fixture.entries_dump() == before_);
    CHECK(stored().empty());
  } else {
    CHECK(rows() == fresh_rows());
  }
  const Names all = stored();
  const Names& came = arrived();
  switch (sent) {
    case Sent::none: CHECK(came.empty()); break;
    case Sent::all: CHECK(came == all); break;
    case Sent::prefix: CHECK(came.size() < all.size()); [[fallthrough]];
    case Sent::prefix_or_all:
      REQUIRE(came.size() <= all.size());
      CHECK(Names(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(came.size())) == came);
  }
}

void Night::heal() {
  const ProcessResult result = sync({"--lock-wait", "30"});
  INFO("standard error: " << result.err);
  CHECK(result.status == 0);
  CHECK(rows() == fresh_rows());
  CHECK(arrived() == stored());
  if (!events_.empty()) CHECK(streamed() == stored());
  CHECK(database().value("SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL") ==
        "0");
  CHECK(database().value("SELECT count(*) FROM cache_sync_runs WHERE status = 'running'") == "0");
}

}  // namespace tickstock::test
