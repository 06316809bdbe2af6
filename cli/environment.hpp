#pragma once

#include <optional>
#include <string>

namespace tickstock::cli {

/// A text without the line feed that ends it, as a file or a Kubernetes secret may.
std::string without_line_end(std::string text);

/// Takes the line feed off the end of what libpq reads of the environment itself.
void trim_libpq_variables();

/// A variable of the environment, without a line feed at its end; an empty one counts as not set.
std::optional<std::string> variable(const char* name);

}  // namespace tickstock::cli
