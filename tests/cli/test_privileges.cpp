// What a role must be allowed to do, and what the program says where it isn't.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const std::string source_grant = "GRANT SELECT ON symbols TO {0};";
const std::string entries_grant = "GRANT SELECT, INSERT, UPDATE ON cache_entries TO {0};";
const std::string sequence_grant = "GRANT USAGE ON SEQUENCE cache_entries_id_seq TO {0};";

/// The small market with a role that has these grants, where {0} is the role.
struct Restricted {
  Fixture fixture;
  std::string role;
  Environment environment;

  explicit Restricted(const std::string& grants, bool init = false) {
    add_small_market(fixture);
    if (init) REQUIRE(fixture.run({"init"}).status == 0);
    role = make_role(fixture);
    environment = as_role(fixture, role);
    allow(grants);
  }

  void allow(const std::string& grants) {
    if (!grants.empty()) fixture.database().execute(fmt::format(fmt::runtime(grants), role));
  }

  void check_missing(const std::string& command, const std::string& grant) {
    check_fails(fixture, {command}, 1, "run as its owner: GRANT " + grant + " TO " + role,
                environment);
  }
};

}  // namespace

TEST_CASE("a missing privilege is named with the GRANT that mends it") {
  Restricted{entries_grant}.check_missing("sync", "SELECT ON public.symbols");
  Restricted{source_grant}.check_missing("sync", "SELECT ON public.cache_entries");
  Restricted{source_grant}.check_missing("dry-run", "SELECT ON public.cache_entries");
  const std::string read = source_grant + "GRANT SELECT ON cache_entries TO {0};";
  Restricted{read}.check_missing("sync", "INSERT ON public.cache_entries");
  Restricted{read + "GRANT INSERT ON cache_entries TO {0};"}.check_missing(
      "sync", "UPDATE ON public.cache_entries");
}

TEST_CASE("a missing privilege on the schema is named") {
  Restricted scene(source_grant + entries_grant);
  scene.fixture.database().execute("REVOKE USAGE ON SCHEMA public FROM public");
  scene.check_missing("sync", "USAGE ON SCHEMA public");
}

TEST_CASE("own tables that can't be used are an error that names the GRANT") {
  const std::string all = source_grant + entries_grant + sequence_grant;
  Restricted scene(all, true);
  scene.check_missing("sync", "SELECT ON public.cache_sync_runs");
  scene.allow("GRANT SELECT ON cache_sync_runs TO {0}");
  scene.check_missing("sync", "INSERT ON public.cache_sync_runs");
  scene.allow("GRANT INSERT, UPDATE ON cache_sync_runs TO {0}");
  scene.check_missing("sync", "DELETE ON public.cache_sync_runs");
  scene.allow("GRANT DELETE ON cache_sync_runs TO {0}");
  scene.check_missing("sync", "SELECT ON public.cache_sync_changes");
  scene.allow("GRANT SELECT, INSERT ON cache_sync_changes TO {0}");
  scene.check_missing("sync", "SELECT ON public.cache_sync_outbox");
  scene.allow("GRANT SELECT, INSERT, UPDATE ON cache_sync_outbox TO {0}");
  scene.check_missing("sync", "DELETE ON public.cache_sync_outbox");
  scene.allow("GRANT DELETE ON cache_sync_outbox TO {0}");
  scene.check_missing("sync", "SELECT ON public.cache_sync_waiting");
  scene.allow("GRANT SELECT, INSERT, UPDATE, DELETE ON cache_sync_waiting TO {0}");
  scene.check_missing("sync", "SELECT ON public.cache_sync_states");
  scene.allow("GRANT SELECT, INSERT, UPDATE, DELETE ON cache_sync_states TO {0}");
  const Json done = run_json(scene.fixture, {"sync"}, 0, scene.environment);
  CHECK(done.at("total_changes").integer() == 11);
  CHECK(done.at("warnings").size() == 0);
  CHECK(run_json(scene.fixture, {"sync"}, 0, scene.environment).at("total_changes").integer() == 0);
}

TEST_CASE("a dry run needs to read symbols and entries, and nothing of the records") {
  Restricted scene(source_grant + "GRANT SELECT ON cache_entries TO {0};", true);
  const Json foretold = run_json(scene.fixture, {"dry-run"}, 0, scene.environment);
  CHECK(foretold.at("total_changes").integer() == 11);
}

TEST_CASE("reading symbols and writing entries is all that a role needs") {
  Restricted scene(source_grant + entries_grant + sequence_grant);
  CHECK(run_json(scene.fixture, {"sync"}, 0, scene.environment).at("total_changes").integer() ==
        11);
  for (const std::string task : {"market-cap", "ipo", "delisted", "dry-run"}) {
    CHECK(run_json(scene.fixture, {task}, 0, scene.environment).at("total_changes").integer() == 0);
  }
}

TEST_CASE("without the sequence of the id a role still changes entries that exist") {
  Restricted scene(source_grant + entries_grant);
  REQUIRE(run_task(scene.fixture, {"sync"}).status == 0);
  scene.fixture.database().execute("UPDATE symbols SET market_cap = 6e8 WHERE symbol = 'MID'");
  const Json done = run_json(scene.fixture, {"sync"}, 0, scene.environment);
  CHECK(done.at("total_changes").integer() == 2);
  CHECK(scene.fixture.members("mid_cap") == Names{"NEW"});
  CHECK(scene.fixture.members("small_cap") == Names{"MID", "SMALL"});
}

TEST_CASE("reading the named columns of symbols is enough") {
  Restricted scene(
      entries_grant + sequence_grant +
      "GRANT SELECT (symbol, company_name, market_cap, sector, listing_date, is_active, "
      "delisted_date) ON symbols TO {0};");
  CHECK(run_json(scene.fixture, {"sync"}, 0, scene.environment).at("total_changes").integer() ==
        11);
}

TEST_CASE("a dry run only needs to read") {
  Restricted scene(source_grant + "GRANT SELECT ON cache_entries TO {0};");
  scene.fixture.database().execute("ALTER ROLE " + scene.role +
                                   " SET default_transaction_read_only = on");
  CHECK(run_json(scene.fixture, {"dry-run"}, 0, scene.environment).at("total_changes").integer() ==
        11);
}
