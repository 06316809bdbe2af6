#pragma once

#include <string>
#include <vector>

#include "setting.hpp"

namespace tickstock::cli {

/// Reads the text of a file in TOML. \throws Error (config) naming the file, and the line or key
/// that is wrong; a key that is not known is one.
std::vector<Given> parse_config(const std::string& text, const std::string& path);

/// Whether an address in it has a password.
bool holds_password(const std::vector<Given>& config);

/// Reads and parses a file, which must be private where it holds a password. \throws Error
/// (config).
std::vector<Given> read_config_file(const std::string& path);

}  // namespace tickstock::cli
