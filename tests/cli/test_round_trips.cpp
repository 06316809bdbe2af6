// How often a run waits for a database that may be far away.

#include "cli/scene.hpp"
#include "peers.hpp"

using namespace tickstock::test;

TEST_CASE("an everyday run makes at most eight round trips after login") {
  Fixture fixture({.entries = false});
  fixture.database().execute("CREATE ROLE traveller LOGIN SUPERUSER");
  REQUIRE(fixture.run({"init"}).status == 0);
  add_small_market(fixture);
  const CountingProxy proxy(fixture.database().postgres().port());
  const std::string url = fixture.database().tcp_url("traveller", proxy.port());
  { const Session session(url); }
  const int login = proxy.round_trips();
  const auto trips = [&](const Names& arguments) {
    const int before = proxy.round_trips();
    const ProcessResult result = run_task(fixture, arguments, {{"DATABASE_URL", url}});
    INFO(result.err);
    CHECK(result.status == 0);
    return proxy.round_trips() - before - login;
  };
  const TemporaryDirectory directory;
  const std::string metrics = "--metrics-file=" + directory.file("m.prom");
  CHECK(trips({"sync"}) <= 8);
  CHECK(trips({"sync"}) <= 7);
  CHECK(trips({"sync", metrics}) <= 7);
  fixture.add_symbol({.symbol = "NEXT", .listing_date = "2024-06-27"});
  CHECK(trips({"dry-run"}) <= 5);
  CHECK(trips({"dry-run", "--config",
               directory.write("m.toml",
                               "[metrics]\nfile = \"" + directory.file("m.prom") + "\"\n")}) <= 5);
  CHECK(trips({"sync", metrics}) <= 8);
  fixture.database().execute("DROP ROLE traveller");
}
