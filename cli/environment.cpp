#include "environment.hpp"

#include <cstdlib>

namespace tickstock::cli {

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace tickstock::cli
