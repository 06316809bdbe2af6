#pragma once

#include <toml++/toml.h>

#include "settings.hpp"

namespace tickstock::cli {

/// Reads the tables `[[universe]]` of a configuration, which `whole` is. \throws Error (config)
/// that begins with the line and the universe it is about.
DeclaredUniverses read_universes(const toml::table& whole);

}  // namespace tickstock::cli
