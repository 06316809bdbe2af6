// What a role must be allowed to do, and what the program says if it isn't.

#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const std::string source_grant = "GRANT SELECT ON symbols TO {0};";
const std::string entries_grant = "GRANT SELECT, INSERT, UPDATE ON cache_entries TO {0};";
const std::string sequence_grant = "GRANT USAGE ON SEQUENCE cache_entries_id_seq TO {0};";

/// The privileges that a run needs on each of its own tables.
const std::vector<std::pair<std::string, Names>> own_privileges{
    {"cache_sync_runs", {"SELECT", "INSERT", "UPDATE", "DELETE"}},
    {"cache_sync_changes", {"SELECT", "INSERT"}},
    {"cache_sync_outbox", {"SELECT", "INSERT", "UPDATE", "DELETE"}},
    {"cache_sync_waiting", {"SELECT", "INSERT", "UPDATE", "DELETE"}},
    {"cache_sync_states", {"SELECT", "INSERT", "UPDATE", "DELETE"}}};

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
    check_fails(
        fixture, {command}, 1,
        fmt::format("Run 'GRANT {0} TO {1}' as its owner. Or run what 'tickstock-cache init "
                    "--print-grants {1}' prints.",
                    grant, role),
        environment);
  }
};

}  // namespace

TEST_CASE("a missing privilege is named with the GRANT that fixes it") {
  Restricted{entries_grant}.check_missing("sync", "SELECT ON public.symbols");
  Restricted{source_grant}.check_missing("dry-run", "SELECT ON public.cache_entries");
  const std::string read = source_grant + "GRANT SELECT ON cache_entries TO {0};";
  Restricted{read + "GRANT UPDATE ON cache_entries TO {0};"}.check_missing(
      "sync", "INSERT ON public.cache_entries");
  Restricted{read + "GRANT INSERT ON cache_entries TO {0};"}.check_missing(
      "sync", "UPDATE ON public.cache_entries");
}

TEST_CASE("the GRANT for a name that is a word of SQL can be run as it is") {
  Restricted scene(entries_grant);
  scene.fixture.database().execute("CREATE VIEW \"order\" AS SELECT * FROM symbols");
  const TemporaryDirectory directory;
  const std::string config = directory.write("c.toml", "[tables]\nsymbols = \"order\"\n");
  const std::string grant = fmt::format("GRANT SELECT ON public.\"order\" TO {}", scene.role);
  check_fails(scene.fixture, {"dry-run", "--config", config}, 1, fmt::format("Run '{}'", grant),
              scene.environment);
  scene.fixture.database().execute(grant);
  CHECK(run_task(scene.fixture, {"dry-run", "--config", config}, scene.environment).status == 0);
}

TEST_CASE("missing privileges are named at once, and what init prints grants them") {
  Restricted scene("", true);
  scene.fixture.database().execute("REVOKE USAGE ON SCHEMA public FROM public");
  std::vector<std::pair<std::string, Names>> lacks{
      {"public.symbols", {"SELECT"}}, {"public.cache_entries", {"SELECT", "INSERT", "UPDATE"}}};
  for (const auto& [table, privileges] : own_privileges)
    lacks.emplace_back("public." + table, privileges);
  std::string words = "no USAGE privilege on schema public";
  std::string grants = "GRANT USAGE ON SCHEMA public TO " + scene.role;
  for (const auto& [table, privileges] : lacks) {
    words += fmt::format(", no {} privilege{} on {}", fmt::join(privileges, ", "),
                         privileges.size() == 1 ? "" : "s", table);
    grants += fmt::format("; GRANT {} ON {} TO {}", fmt::join(privileges, ", "), table, scene.role);
  }
  const Names before = dump_where_there(scene.fixture);
  const ProcessResult result = scene.fixture.run({"sync"}, scene.environment);
  CHECK(result.status == 1);
  CHECK(result.err ==
        fmt::format("tickstock-cache: error: {}. Run as the owner of the tables: {}. Or run what "
                    "'tickstock-cache init --print-grants {}' prints.\n",
                    words, grants, scene.role));
  CHECK(dump_where_there(scene.fixture) == before);

  scene.fixture.database().execute(grants);
  const Json partly = run_json(scene.fixture, {"sync"}, 3, scene.environment);
  CHECK_THAT(partly.at("hint").str(),
             contains("'tickstock-cache init --print-grants " + scene.role));
  CHECK_THAT(scene.fixture.run({"check"}, scene.environment).out,
             contains("GRANT USAGE ON SEQUENCE"));
  scene.fixture.database().execute(scene.fixture.run({"init", "--print-grants", scene.role}).out);
  CHECK(run_json(scene.fixture, {"sync"}, 0, scene.environment).at("total_changes").integer() ==
        10);
}

TEST_CASE("a missing privilege on the schema is named") {
  Restricted scene(source_grant + entries_grant);
  scene.fixture.database().execute("REVOKE USAGE ON SCHEMA public FROM public");
  scene.check_missing("sync", "USAGE ON SCHEMA public");
}

TEST_CASE("each privilege on the own tables is needed, and named where it is missing") {
  Restricted scene(source_grant + entries_grant + sequence_grant, true);
  for (const auto& [table, privileges] : own_privileges)
    scene.allow(fmt::format("GRANT {} ON {} TO {{0}}", fmt::join(privileges, ", "), table));
  const Json done = run_json(scene.fixture, {"sync"}, 0, scene.environment);
  CHECK(done.at("total_changes").integer() == 11);
  CHECK(done.at("warnings").size() == 0);
  for (const auto& [table, privileges] : own_privileges) {
    for (const std::string& privilege : privileges) {
      const std::string on_table = fmt::format("{} ON {} ", privilege, table);
      scene.allow("REVOKE " + on_table + "FROM {0}");
      scene.check_missing("sync", fmt::format("{} ON public.{}", privilege, table));
      scene.allow("GRANT " + on_table + "TO {0}");
    }
  }
  CHECK(run_json(scene.fixture, {"sync"}, 0, scene.environment).at("total_changes").integer() == 0);
}

TEST_CASE("row-level security that would hide rows is found before it does") {
  Restricted scene(source_grant + entries_grant + sequence_grant, true);
  Names tables{"symbols", "cache_entries"};
  for (const auto& [table, privileges] : own_privileges) {
    scene.allow(fmt::format("GRANT {} ON {} TO {{0}}", fmt::join(privileges, ", "), table));
    tables.push_back(table);
  }
  for (const std::string& table : tables) {
    scene.fixture.database().execute("ALTER TABLE " + table + " ENABLE ROW LEVEL SECURITY");
    const std::string why = fmt::format(
        "row-level security would hide rows of public.{} from the role {}. Give the "
        "role BYPASSRLS",
        table, scene.role);
    check_fails(scene.fixture, {"sync"}, 1, why, scene.environment);
    const ProcessResult checked = scene.fixture.run({"check"}, scene.environment);
    CHECK(checked.status == 1);
    CHECK_THAT(checked.out, contains(why));
    scene.fixture.database().execute("ALTER TABLE " + table + " DISABLE ROW LEVEL SECURITY");
  }
  CHECK(run_task(scene.fixture, {"sync"}, scene.environment).status == 0);
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

TEST_CASE("init of a role that may create nothing names who may") {
  Restricted scene("");
  check_failure(scene.fixture.run({"init"}, scene.environment), 1,
                "(SQLSTATE 42501). Run init as the owner of the tables, who may create others in "
                "schema public.");
}
