#pragma once

#include <algorithm>
#include <string>

#include "cli/scene.hpp"

namespace tickstock::test {

/// A fixture with a configuration file that declares universes.
class Declared {
 public:
  explicit Declared(const std::string& toml) {
    fixture.database().execute(
        "ALTER TABLE symbols ADD COLUMN issuer text, ADD COLUMN etf boolean");
    declare(toml);
  }

  void declare(const std::string& toml) { path_ = directory_.write("config.toml", toml); }

  /// Adds a symbol with more columns than the fixture has.
  void add(const SymbolRow& row, const std::string& industry = "", const std::string& issuer = "") {
    fixture.add_symbol(row);
    fixture.database().execute(
        "UPDATE symbols SET industry = nullif($2, ''), issuer = nullif($3, '') WHERE symbol = $1",
        {row.symbol, industry, issuer});
  }

  ProcessResult run(const Names& arguments) {
    return run_task(fixture, with(arguments, {"--config", path_}));
  }
  Json json(const Names& arguments, int status = 0) {
    return run_json(fixture, with(arguments, {"--config", path_}), status);
  }
  /// Runs a task that must succeed, and returns what a universe contains afterwards.
  Names after(const std::string& task, const std::string& universe) {
    const ProcessResult result = run({task});
    INFO("standard error: " << result.err);
    REQUIRE(result.status == 0);
    return has(universe) ? fixture.members(universe) : Names{"(no entry)"};
  }
  bool has(const std::string& universe) {
    const Names all = fixture.universes();
    return std::count(all.begin(), all.end(), universe) > 0;
  }
  void set(const std::string& symbol, const std::string& column, const std::string& value) {
    fixture.database().execute(
        "UPDATE symbols SET " + column + " = " + value + " WHERE symbol = $1", {symbol});
  }
  std::string metadata(const std::string& universe) {
    return fixture.database().value(
        "SELECT content->'metadata' FROM cache_entries WHERE universe = $1", {universe});
  }

  Fixture fixture;
  const std::string& path() const { return path_; }

 private:
  TemporaryDirectory directory_;
  std::string path_;
};

inline const std::string no_builtin = "[universes]\nbuiltin = false\n";

/// Adds some companies in two sectors.
inline void add_sectors(Declared& scene) {
  scene.add({.symbol = "BIG", .market_cap = "9e9", .sector = "Technology"}, "Chips");
  scene.add({.symbol = "MED", .market_cap = "5e9", .sector = " Technology "}, "Software");
  scene.add({.symbol = "LOW", .market_cap = "1e9", .sector = "Health Care"}, "Drugs");
  scene.add({.symbol = "NONE", .sector = "Health Care"}, "Drugs");
  scene.add({.symbol = "BLANK", .market_cap = "2e9", .sector = "  "}, "Chips");
  scene.add({.symbol = "GONE", .market_cap = "8e9", .is_active = false, .sector = "Technology"});
}

}  // namespace tickstock::test
