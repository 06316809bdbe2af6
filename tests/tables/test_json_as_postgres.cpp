// Compares what the program reads from contents with what PostgreSQL makes of the same bytes.

#include <filesystem>
#include <fstream>
#include <iterator>

#include "fuzz/targets.hpp"
#include "json/json.hpp"
#include "rules/policy.hpp"
#include "support/catch.hpp"
#include "support/patience.hpp"
#include "support/postgres.hpp"
#include "tables/market_reader.hpp"
#include "tables/odd_json.hpp"
#include "tables/schema.hpp"

using namespace tickstock;
using tickstock::test::Database;
using tickstock::test::OddJson;

namespace {

using Texts = std::vector<std::string>;

std::string hex(std::string_view bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    text += digits[static_cast<unsigned char>(c) >> 4];
    text += digits[static_cast<unsigned char>(c) & 15];
  }
  return text;
}

/// Returns elements as one line that distinguishes them whatever they contain.
std::string line_of(const Texts& elements) {
  std::string line;
  for (const std::string& element : elements) line += hex(element) + ",";
  return line;
}

/// Returns the line of the elements, or that it is not an array of strings.
std::string read(const std::string& json) {
  json::StringArrayReader reader;
  if (!reader.read(json)) return "other";
  return "array " + line_of(Texts(reader.strings().begin(), reader.strings().end()));
}

/// Creates a table `given` of texts, each with what PostgreSQL makes of it: NULL if it is not valid
/// jsonb.
void give(Database& database, const Texts& texts) {
  database.execute(R"(
    CREATE FUNCTION as_jsonb(bytes bytea) RETURNS jsonb LANGUAGE plpgsql AS $$
    BEGIN
      RETURN convert_from(bytes, 'UTF8')::jsonb;
    EXCEPTION WHEN data_exception OR statement_too_complex THEN
      RETURN NULL;
    END $$;
    CREATE FUNCTION as_line(list jsonb) RETURNS text LANGUAGE sql AS $$
      SELECT coalesce(string_agg(encode(convert_to(element #>> '{}', 'UTF8'), 'hex') || ',', ''
                                 ORDER BY place), '')
        FROM jsonb_array_elements(list) WITH ORDINALITY AS e (element, place)
    $$;
    CREATE FUNCTION read_array(list jsonb) RETURNS text LANGUAGE sql AS $$
      SELECT CASE WHEN jsonb_typeof(list) = 'array'
                   AND NOT list @? 'strict $[*] ? (@.type() != "string")'
                  THEN 'array ' || as_line(list) ELSE 'other' END
    $$;
    CREATE TABLE given (id int PRIMARY KEY, bytes bytea, value jsonb))");
  std::string csv;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    csv += std::to_string(i) + ",\\x" + hex(texts[i]) + "\n";
  }
  database.copy_in("given (id, bytes)", csv);
  database.execute("UPDATE given SET value = as_jsonb(bytes)");
}

Texts seeds() {
  Texts texts;
  for (const auto& seed : std::filesystem::directory_iterator(
           std::filesystem::path(TICKSTOCK_SOURCE_DIR) / "tests/fuzz/seeds/content")) {
    std::ifstream file(seed.path(), std::ios::binary);
    texts.push_back(fuzz::expanded(std::string{std::istreambuf_iterator<char>(file), {}}));
  }
  return texts;
}

}  // namespace

TEST_CASE("a text is read as an array of strings exactly where PostgreSQL has one") {
  Texts texts = seeds();
  OddJson odd(1);
  while (texts.size() < 6000) texts.push_back(odd.array());
  Database database;
  give(database, texts);
  const auto verdicts = database.rows("SELECT id, read_array(value) FROM given ORDER BY id");
  REQUIRE(verdicts.size() == texts.size());
  std::size_t arrays = 0;
  for (const auto& verdict : verdicts) {
    const std::string& text = texts[std::stoul(verdict[0])];
    if (verdict[1] != "other") ++arrays;
    if (read(text) == verdict[1]) continue;
    INFO("text of " << text.size() << " bytes: " << text.substr(0, 300));
    INFO("its bytes: " << hex(text.substr(0, 300)));
    CHECK(read(text).substr(0, 300) == verdict[1].substr(0, 300));
  }
  // Otherwise the texts would prove nothing about one of the two.
  CHECK(arrays > texts.size() / 4);
  CHECK(arrays < texts.size() * 3 / 4);
}

TEST_CASE("members, count and metadata of a content are what PostgreSQL sees in it") {
  Texts texts = seeds();
  OddJson odd(2);
  while (texts.size() < 4000) texts.push_back(odd.content());
  Database database;
  postgres::ConnectionSettings settings;
  settings.conninfo = database.url();
  tables::Database ours{postgres::Connection::open(settings, test::unlimited()), {}};
  postgres::Connection& connection = ours.connection;
  create_schema(ours);
  give(database, texts);
  database.execute(
      "INSERT INTO cache_entries (universe, cache_type, content) "
      "SELECT id, 'theme', value FROM given WHERE value IS NOT NULL");
  const auto rows = database.rows(
      "SELECT id, read_array(value->'symbols'), left(coalesce((value->'count')::text, ''), 4096), "
      "       left(coalesce((value->'metadata')::text, ''), 4096) "
      "  FROM given WHERE value IS NOT NULL");

  database.execute(
      "CREATE TABLE symbols (symbol text, market_cap numeric, is_active boolean, "
      "listing_date date, delisted_date date)");
  ours.catalog.symbols.columns["market_cap"].type = "numeric";

  postgres::Transaction transaction(connection, {.settings = tables::wanted_entries(Policy())});
  const auto [market, entries] = read_sources(ours, transaction, {*parse_day("2026-08-21")});
  REQUIRE(entries.size() == rows.size());
  std::size_t readable = 0;
  for (const auto& row : rows) {
    const Entry& entry = *entries.at(row[0]);
    Texts members;
    for (const SymbolId member : entry.members.list()) members.emplace_back(market.name(member));
    INFO("content: " << texts[std::stoul(row[0])].substr(0, 300));
    CHECK((entry.readable ? "array " + line_of(members) : "other") == row[1]);
    CHECK(entry.count == row[2]);
    CHECK(entry.metadata == row[3]);
    if (entry.readable) ++readable;
  }
  CHECK(readable > texts.size() / 10);
  CHECK(readable < rows.size());
}
