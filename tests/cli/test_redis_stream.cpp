// The Redis Stream that keeps events for subscribers that were away, and the cursor over the
// outbox.

#include <algorithm>
#include <csignal>

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const std::string key = "tickstock:cache:events";

/// A small market whose runs add their events to a stream.
struct Streamed {
  Fixture fixture;
  TemporaryDirectory directory;
  Environment with_stream{{"TICKSTOCK_CACHE_CONFIG", config("")}};

  Streamed() {
    add_small_market(fixture);
    REQUIRE(fixture.run({"init"}).status == 0);
  }

  std::string config(const std::string& more) const {
    return directory.write("config.toml", fmt::format("[events]\nstream = \"{}\"\n{}", key, more));
  }
  ProcessResult run(const Names& arguments) { return fixture.run(arguments, with_stream); }
  Json sync(const Names& arguments = {}, int status = 0) {
    return run_json(fixture, with({"sync"}, arguments), status, with_stream);
  }

  std::string redis(const Names& words) { return fixture.redis().command(words); }

  /// Returns the entries as `ID-0 EVENT_ID CHANNEL MESSAGE`.
  Names entries() {
    Names entries;
    const Names lines = lines_of(redis({"XRANGE", key, "-", "+"}));
    for (std::size_t i = 0; i + 6 < lines.size(); i += 7) {
      CHECK(Names{lines[i + 1], lines[i + 3], lines[i + 5]} ==
            Names{"event_id", "channel", "message"});
      entries.push_back(
          fmt::format("{} {} {} {}", lines[i], lines[i + 2], lines[i + 4], lines[i + 6]));
    }
    return entries;
  }
  /// Returns the same from the outbox.
  Names stored(const std::string& which = "true") {
    return fixture.database().column(
        "SELECT format('%s-0 %s %s %s', id, event_id, channel, message) FROM cache_sync_outbox "
        "WHERE " +
        which + " ORDER BY id");
  }
  void mark_pending(const std::string& which) {
    fixture.database().execute("UPDATE cache_sync_outbox SET published_at = NULL WHERE " + which);
  }
  std::string pending() {
    return fixture.database().value(
        "SELECT count(*) FROM cache_sync_outbox WHERE published_at IS NULL");
  }
};

}  // namespace

TEST_CASE("every stored event is in the stream once, in order, as published") {
  Streamed scene;
  Subscriber subscriber(scene.fixture.redis());
  scene.sync({"--run-id", "first"});
  CHECK(scene.entries() == scene.stored());
  CHECK(scene.entries().size() == 14);
  const std::vector<Event> events = subscriber.drain();
  for (const std::string& entry : scene.entries()) {
    CHECK(std::count_if(events.begin(), events.end(), [&entry](const Event& each) {
            return entry.ends_with(" " + each.channel + " " + each.message);
          }) == 1);
  }
  // Best-effort events go to those who are listening, and are not stored.
  CHECK(events.size() > 14);
  scene.fixture.add_symbol({.symbol = "MORE", .market_cap = "5000000000"});
  scene.sync({"--run-id", "second"});
  CHECK(scene.entries() == scene.stored());
  CHECK(scene.entries().size() > 14);
  scene.sync({"--run-id", "idle"});
  CHECK(scene.entries() == scene.stored());

  // Without the setting nothing is added.
  scene.fixture.add_symbol({.symbol = "LAST", .market_cap = "6000000000"});
  const std::size_t before = scene.entries().size();
  run_json(scene.fixture, {"sync"});
  CHECK(scene.entries().size() == before);
}

TEST_CASE("an event that is sent again is not put into the stream again") {
  Streamed scene;
  scene.sync();
  const Names entries = scene.entries();
  scene.mark_pending("id > 3");
  // Half of the pending events are there, as after a kill in between.
  scene.redis({"DEL", key});
  for (int id = 1; id <= 8; ++id) {
    scene.redis({"XADD", key, fmt::format("{}-0", id), "event_id",
                 scene.fixture.database().value(
                     "SELECT event_id FROM cache_sync_outbox WHERE id = $1", {std::to_string(id)}),
                 "channel",
                 scene.fixture.database().value(
                     "SELECT channel FROM cache_sync_outbox WHERE id = $1", {std::to_string(id)}),
                 "message",
                 scene.fixture.database().value(
                     "SELECT message FROM cache_sync_outbox WHERE id = $1", {std::to_string(id)})});
  }
  CHECK(scene.run({"deliver"}).out == "11 events published, 0 pending\n");
  CHECK(scene.entries() == entries);
}

TEST_CASE("an event is in the stream before it is published, and one that is refused stays") {
  Streamed scene;
  scene.redis({"ACL", "SETUSER", "job", "reset", "on", ">word", "~*", "+@all", "&tickstock:cache:*",
               "&tickstock:errors", "&tickstock:monitoring", "&tickstock:processing:status"});
  const Environment job{
      {"REDIS_URL", fmt::format("redis://job:word@127.0.0.1:{}/0", scene.fixture.redis().port())},
      {"TICKSTOCK_CACHE_CONFIG", scene.with_stream.at("TICKSTOCK_CACHE_CONFIG")}};
  const ProcessResult result = run_task(scene.fixture, {"sync"}, job);
  check_failure(result, 6, "is refused: NOPERM");
  CHECK_THAT(result.err, contains("deliver --discard"));
  CHECK(scene.entries() == scene.stored());
  CHECK(scene.pending() == "14");
  CHECK(scene.run({"deliver"}).status == 0);
  CHECK(scene.entries() == scene.stored());
}

TEST_CASE("the check says what the stream asks of a user besides publishing") {
  Streamed scene;
  const std::string missing = GENERATE("exec", "multi", "xadd", "xrange");
  scene.redis(
      {"ACL", "SETUSER", "job", "reset", "on", ">word", "~*", "&*", "+@all", "-" + missing});
  const ProcessResult check = scene.fixture.run(
      {"check"},
      {{"REDIS_URL", fmt::format("redis://job:word@127.0.0.1:{}/0", scene.fixture.redis().port())},
       {"TICKSTOCK_CACHE_CONFIG", scene.with_stream.at("TICKSTOCK_CACHE_CONFIG")}});
  CHECK(check.status == 6);
  CHECK_THAT(check.out, contains("refuses what a run sends: ") && contains("NOPERM") &&
                            contains(missing) && contains("--print-redis-acl"));
  CHECK(scene.entries().empty());
}

TEST_CASE("the check says that a stream gets nothing without own tables") {
  Fixture fixture;
  add_small_market(fixture);
  const TemporaryDirectory directory;
  const std::string config = directory.write("config.toml", "[events]\nstream = 'a:b'\n");
  const ProcessResult check = fixture.run({"check", "--config", config});
  CHECK(check.status == 0);
  CHECK_THAT(check.out, contains("\nwarning  the stream a:b gets no events: only those that the "
                                 "tables of 'tickstock-cache init' store go there\n"));
  CHECK(run_task(fixture, {"sync", "--config", config}).status == 0);
  CHECK(fixture.redis().command({"EXISTS", "a:b"}) == "0");
}

TEST_CASE("a stream that is ahead of a restored database is said, and renumbering goes on") {
  Streamed scene;
  scene.sync();
  Subscriber subscriber(scene.fixture.redis());
  const Names old = scene.entries();
  // The outbox was restored to a state before these events, and other ones got their ids.
  scene.mark_pending("id > 10");
  scene.fixture.database().execute(
      "UPDATE cache_sync_outbox SET event_id = gen_random_uuid() WHERE id > 10");
  const ProcessResult refused = scene.run({"deliver"});
  check_failure(refused, 6, "4 events are still pending");
  CHECK_THAT(refused.err, contains("the database was restored") &&
                              contains("Run 'tickstock-cache deliver --renumber'"));
  CHECK(scene.entries() == old);
  CHECK(scene.pending() == "4");
  CHECK(subscriber.drain().empty());
  // With ids up to that of the stream, only what stands under them tells.
  const ProcessResult predicted = scene.run({"check"});
  CHECK(predicted.status == 6);
  CHECK_THAT(predicted.out, contains("does not hold event") && contains("deliver --renumber"));

  const ProcessResult renumbered = scene.run({"deliver", "--renumber"});
  INFO(renumbered.err);
  CHECK(renumbered.status == 0);
  CHECK(renumbered.out == "4 events renumbered, 4 events published, 0 pending\n");
  CHECK(scene.entries() == with(old, scene.stored("id > 14")));
  CHECK(subscriber.drain().size() == 4);

  scene.fixture.add_symbol({.symbol = "MORE", .market_cap = "5000000000"});
  scene.sync();
  CHECK(scene.entries() == with(old, scene.stored("id > 14")));

  // check notices it before the first event of a restored outbox.
  scene.redis({"XADD", key, "5000-0", "event_id", "another"});
  const ProcessResult check = scene.run({"check"});
  CHECK(check.status == 6);
  CHECK_THAT(check.out, contains("the stream " + key + " is at 5000, ahead of the last stored"));
}

TEST_CASE("a run warns if no replica confirms the stream, even if none is connected") {
  Sentinels sentinels;
  Redis& primary = sentinels.primary();
  Fixture fixture({}, Postgres::shared(), primary);
  add_small_market(fixture);
  REQUIRE(fixture.run({"init"}).status == 0);
  const TemporaryDirectory directory;
  const std::string config =
      directory.write("config.toml", fmt::format("[events]\nstream = \"{}\"\n", key));
  const auto run = [&](const std::string& url) {
    const ProcessResult result =
        run_task(fixture, {"sync", "--config", config}, {{"REDIS_URL", url}});
    INFO(result.err);
    CHECK(result.status == 0);
    return result.err;
  };
  const std::string warning = "no replica of Redis at ";
  CHECK_THAT(run(sentinels.url()), !contains(warning));
  for (const std::size_t replica : {1, 2}) sentinels.node(replica).send_signal(SIGSTOP);
  CHECK_THAT(run(sentinels.url()), contains(warning));
  CHECK_THAT(run(primary.url()), contains(warning));
  for (const std::size_t replica : {1, 2}) sentinels.node(replica).stop();
  wait_until("the primary to miss its replicas", [&primary] {
    return primary.command({"INFO", "replication"}).find("connected_slaves:0") != std::string::npos;
  });
  CHECK_THAT(run(sentinels.url()), contains(warning));
  // Nobody expects replicas of a primary that no Sentinel watches.
  CHECK_THAT(run(primary.url()), !contains(warning));
}

TEST_CASE("the stream is trimmed to about its length") {
  Streamed scene;
  scene.config("stream_max_length = 1000\nmax_universe_events = 0\n");
  scene.fixture.database().execute(
      "INSERT INTO symbols (symbol, market_cap, is_active, listing_date) "
      "SELECT 'N' || i, 1000000, true, '2024-06-21' FROM generate_series(1, 2500) i");
  scene.sync();
  const int length = std::stoi(scene.redis({"XLEN", key}));
  CHECK(length >= 1000);
  CHECK(length < 1500);
  // The last ones are kept.
  const Names entries = scene.entries();
  const Names stored = scene.stored();
  CHECK(Names(stored.end() - length, stored.end()) == entries);
}

TEST_CASE("a user with the printed permissions fills the stream, and check knows it") {
  Streamed scene;
  const std::string acl = scene.run({"init", "--print-redis-acl", "job"}).out;
  CHECK_THAT(acl, contains(" ~" + key + " "));
  std::istringstream words(lines_of(acl).back());
  scene.redis({std::istream_iterator<std::string>(words), {}});
  scene.redis({"ACL", "SETUSER", "job", ">word"});
  Environment job = scene.with_stream;
  job["REDIS_URL"] = fmt::format("redis://job:word@127.0.0.1:{}/0", scene.fixture.redis().port());
  CHECK(run_task(scene.fixture, {"sync"}, job).status == 0);
  CHECK(scene.entries() == scene.stored());
  CHECK_THAT(scene.fixture.run({"check"}, job).out,
             contains("the stream " + key + " holds the events up to 14"));
  scene.redis({"ACL", "SETUSER", "job", "resetkeys"});
  const ProcessResult check = scene.fixture.run({"check"}, job);
  CHECK(check.status == 6);
  CHECK_THAT(check.out, contains("NOPERM"));
}

TEST_CASE("a run counts who listened, and says where nobody did") {
  Streamed scene;
  const TemporaryDirectory directory;
  const std::string metrics = directory.file("metrics.prom");
  const auto listeners = [&](const std::string& id) {
    const Json status = Json::parse(scene.run({"status", id, "--format", "json"}).out);
    return status.at("events.listeners").integer();
  };
  const ProcessResult alone = scene.fixture.run(
      {"sync", "--as-of", market_day, "--run-id", "alone", "-v", "--metrics-file", metrics});
  CHECK(alone.status == 0);
  CHECK_THAT(alone.err, contains("nobody listened"));
  CHECK(listeners("alone") == 0);
  CHECK_THAT(scene.run({"status", "alone"}).out, contains("nobody listened"));
  CHECK_THAT(file_text(metrics), contains("\ntickstock_cache_listeners 0\n"));

  const Subscriber subscriber(scene.fixture.redis());
  const ProcessResult heard = scene.fixture.run(
      {"sync", "--as-of", market_day, "--run-id", "heard", "-v", "--metrics-file", metrics});
  CHECK_THAT(heard.err, !contains("nobody listened"));
  CHECK(listeners("heard") == 1);
  CHECK_THAT(file_text(metrics), contains("\ntickstock_cache_listeners 1\n"));
  CHECK(scene.fixture.database().value(
            "SELECT string_agg(DISTINCT receivers::text, ',') FROM cache_sync_outbox "
            "WHERE run_id = 'heard'") == "1");

  // Known only once the final event is published.
  run_task(scene.fixture, {"sync", "--run-id", "later"}, redis_down());
  CHECK(Json::parse(scene.run({"status", "later", "--format", "json"}).out)
            .at("events.listeners")
            .is_null());
  CHECK(scene.run({"deliver"}).status == 0);
  CHECK(listeners("later") == 1);
}

TEST_CASE("a reader with a cursor sees each event once, in order") {
  Streamed scene;
  scene.sync();
  Names expected = scene.fixture.database().column(
      "SELECT format('%s %s %s %s', id, event_id, channel, message) FROM cache_sync_outbox "
      "ORDER BY id");
  Names read;
  std::string cursor = "0";
  for (;;) {
    const ProcessResult page =
        scene.run({"events", "--after", cursor, "--limit", "5", "--format", "json"});
    CHECK(page.status == 0);
    const Names lines = lines_of(page.out);
    if (lines.empty()) break;
    CHECK(lines.size() <= 5);
    for (const std::string& line : lines) {
      const Json event = Json::parse(line);
      CHECK(event.keys() == Names{"id", "event_id", "channel", "message"});
      cursor = std::to_string(event.at("id").integer());
      read.push_back(fmt::format("{} {} {} {}", cursor, event.at("event_id").str(),
                                 event.at("channel").str(), event.at("message").str()));
    }
  }
  CHECK(read == expected);
  const Names table = lines_of(scene.run({"events", "--after", "12"}).out);
  REQUIRE(table.size() == 3);
  CHECK_THAT(table[0], contains("id") && contains("state"));
  CHECK_THAT(table[2],
             contains("14  ") && contains("published") && contains("cache_sync_completed"));
  check_failure(scene.run({"events", "--after", "-1"}), 64, "--after");
  check_failure(scene.fixture.run({"deliver", "--renumber"}), 64, "[events] stream");
}
