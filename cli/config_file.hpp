#pragma once

#include "domain/error.hpp"
#include "settings.hpp"

namespace tickstock::cli {

/// What a configuration file sets. A file with a problem is not used, but what is sound in it still
/// settles how the failure looks and whom it is announced to.
struct Config {
  std::vector<Given> given = {};
  DeclaredUniverses universes = {};
  /// The first thing that is wrong (config): it names the file, and the line or key.
  std::optional<Error> problem = {};

  /// Whether an address in it has a password.
  [[nodiscard]] bool holds_password() const;
};

/// Reads the text of a file in TOML. A key that is not known is a problem.
Config parse_config(const std::string& text, const std::string& path);

/// Reads and parses a file, which must be private where it holds a password.
Config read_config_file(const std::string& path);

}  // namespace tickstock::cli
