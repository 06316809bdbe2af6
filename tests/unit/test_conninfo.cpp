#include <vector>

#include "postgres/connection.hpp"
#include "support/catch.hpp"
#include "tables/catalog.hpp"

using namespace tickstock;
using namespace tickstock::postgres;
using namespace tickstock::tables;
using tickstock::test::contains;

TEST_CASE("URLs and lists of keywords are told from what libpq can't read") {
  for (const char* good :
       {"", "postgresql://host/db", "postgres://user@host:5433/db?sslmode=require",
        "host=h dbname=d", "postgresql:///db?host=/tmp", "dbname='with blank'",
        "options=-csearch_path=a://b", "postgresql://host/db?user=me@server",
        "postgresql://u:p?w@host/db", "postgresql://u:p#w@host/db",
        "postgresql://u:p@host/db?application_name=a@b",
        "postgresql://u:p@host/db?connect_timeout=3&application_name=a@b&sslmode=require",
        "host=h port=5432,5433", "host=h connect_timeout=-1 keepalives=0",
        "host=h keepalives_idle=32767 keepalives_interval=1 keepalives_count=127"}) {
    INFO(good);
    CHECK(conninfo_problem(good).empty());
  }
  for (const char* bad :
       {"postgre://user:CANARY@host/db", "mysql://h/d", "postgresql://user:CAN@ARY@host/db",
        "postgresql://user:CAN/ARY@host/db", "postgresql://user:CANARY%zz@host/db",
        "postgresql://[::1/CANARY", "host=h CANARY", "postgresql://host password=CANARY",
        "postgresql://host/db\tpassword=CANARY", "no_such_key=CANARY",
        "postgresql://u:CAN@?@ARY@host/db", "postgresql://u:CAN@?host=ARY@h/d",
        "host= password=CANARY", "host=a\\ password=CANARY", "postgresql://u:CANARY"}) {
    INFO(bad);
    const std::string problem = conninfo_problem(bad);
    CHECK_FALSE(problem.empty());
    CHECK_THAT(problem, !contains("CAN"));
    CHECK_THAT(problem, !contains("ARY"));
  }
}

TEST_CASE("what libpq would reject only while connecting is named with a remedy") {
  struct Case {
    const char* conninfo;
    const char* part;
    const char* hint = "";
  };
  for (const Case& each : std::vector<Case>{
           {"postgresql://h/d?sslmode=no-verify",
            "its sslmode is not one that libpq knows (disable, allow, prefer, require"},
           {"postgresql://h/d?pgbouncer=true", "parameter pgbouncer",
            "Remove it: transaction pooling"},
           {"postgresql://h/d?schema=public", "parameter schema",
            "Remove it, and name the schema in"},
           {"postgresql://h/d?sslaccept=strict", "parameter sslaccept", "Use libpq's own"},
           {"host=h connection_limit=5", "parameter connection_limit", "Remove it"},
           {"postgresql://h/d?target_session_attrs=master", "its target_session_attrs"},
           {"postgresql://h/d?channel_binding=yes", "its channel_binding"},
           {"postgresql://h/d?ssl_min_protocol_version=TLS1.2", "its ssl_min_protocol_version"},
           {"postgresql://h/d?connect_timeout=3s", "its connect_timeout is not a whole number"},
           {"postgresql://h/d?keepalives_idle=x", "its keepalives_idle is not a whole number"},
           {"postgresql://h/d?keepalives_idle=0", "its keepalives_idle is not a number from 1 to"},
           {"host=h keepalives_interval=-5", "keepalives_interval is not a number from 1 to 32767"},
           {"host=h keepalives_count=128", "its keepalives_count is not a number from 1 to 127"},
           {"postgresql://h:70000/d", "its port is not a number from 1 to 65535"},
           {"host=h port=0", "its port is not a number from 1 to 65535"},
           {"host=h replication=database", "its replication", "Remove it."},
           {"host= password=x", "a keyword before the password has no value", "Write ''"}}) {
    INFO(each.conninfo);
    std::string hint;
    CHECK_THAT(conninfo_problem(each.conninfo, &hint), contains(each.part));
    CHECK_THAT(hint, contains(each.hint));
  }
  // Neither a login nor a word that merely contains it is a password parameter.
  for (const char* conninfo : {"postgresql://u:password@h/d?pgbouncer=true",
                               "postgresql://password_user@h/d?user=x&pgbouncer=true",
                               "host=h user=mypassword pgbouncer=true",
                               "postgresql://h/d?password=x&sslmode=require&pgbouncer=true"}) {
    INFO(conninfo);
    CHECK_THAT(conninfo_problem(conninfo), contains("parameter pgbouncer"));
  }
  for (const char* empty : {"postgresql://h/d?sslmode=", "host=h target_session_attrs=''"}) {
    INFO(empty);
    CHECK_THAT(conninfo_problem(empty), contains("is not one that libpq knows"));
  }
  // What follows a password may be the rest of it.
  CHECK_THAT(conninfo_problem("postgresql://h/d?password=a&CANARY=x"), !contains("CANARY"));
}

TEST_CASE("a password is found in either form") {
  CHECK(conninfo_has_password("postgresql://user:secret@host/db"));
  CHECK(conninfo_has_password("postgresql://host/db?password=secret"));
  CHECK(conninfo_has_password("host=h password=secret"));
  CHECK(conninfo_has_password("host=h sslpassword=secret"));
  CHECK_FALSE(conninfo_has_password("postgresql://user@host/db"));
  CHECK_FALSE(conninfo_has_password("host=h passfile=/x user=u"));
}

TEST_CASE("names of tables are taken from a list of allowed letters") {
  CHECK(parse_table_name("symbols", "public", "x").quoted() == R"("public"."symbols")");
  CHECK(parse_table_name("Market.Symbols_2$", "public", "x").quoted() ==
        R"("Market"."Symbols_2$")");
  for (const char* bad :
       {"", ".", "a.", ".b", "a.b.c", "a\"b", "a;drop", "1a", "pg_temp.x", "a b", "ä",
        "a123456789012345678901234567890123456789012345678901234567890123"}) {
    INFO(bad);
    CHECK_THROWS_WITH(parse_table_name(bad, "public", "[tables] symbols"),
                      contains("[tables] symbols"));
  }
}

TEST_CASE("only names go into a statement's text") {
  TableNames names;
  names.entries = {"app", "universes"};
  CHECK(names.in("SELECT '{}' FROM {symbols}, {runs}") ==
        R"(SELECT '{}' FROM "public"."symbols", "app"."cache_sync_runs")");
}

TEST_CASE("a host without a port among several has the default one") {
  ConnectionSettings settings;
  settings.conninfo = "postgresql://127.0.0.1,127.0.0.2:1/d";
  const std::vector<Target> targets = named_targets(settings);
  REQUIRE(targets.size() == 2);
  CHECK(targets[0].port == "5432");
  CHECK(targets[1].port == "1");
}
