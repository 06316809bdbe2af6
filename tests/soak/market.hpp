#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "support/postgres.hpp"

namespace tickstock::soak {

/// The tables that the program reads, moved from one night to the next: the project's sample
/// market, or the real days in a folder, back and forth.
class Market {
 public:
  /// \param folder with real days as CSV, one `YYYY-MM-DD.csv.gz` each; empty for the sample.
  Market(test::Database& database, int symbols, unsigned seed, const std::string& folder);

  /// Creates the first day. add_universes() adds the entries of others, once the table exists.
  void begin();
  void add_universes();
  void move();

  /// Returns the as-of day, YYYY-MM-DD.
  [[nodiscard]] const std::string& day() const { return day_; }

 private:
  void run_script(const std::string& name, const std::vector<std::string>& variables);
  void load(const std::filesystem::path& file);

  test::Database& database_;
  int symbols_;
  std::string seed_;
  std::vector<std::filesystem::path> files_;
  std::size_t night_ = 0;
  std::string day_;
};

}  // namespace tickstock::soak
