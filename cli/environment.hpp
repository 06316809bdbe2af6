#pragma once

#include <optional>
#include <string>

namespace tickstock::cli {

/// A variable of the environment; an empty one counts as not set.
std::optional<std::string> variable(const char* name);

}  // namespace tickstock::cli
