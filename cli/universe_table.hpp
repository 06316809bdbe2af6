#pragma once

#include <toml++/toml.h>

#include "settings.hpp"

namespace tickstock::cli {

/// Reads the `[[universe]]` tables of `whole`, a complete configuration. \throws Error (config)
/// that begins with the line and the universe it is about.
DeclaredUniverses read_universes(const toml::table& whole);

}  // namespace tickstock::cli
