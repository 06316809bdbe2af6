#include "environment.hpp"

#include <unistd.h>

#include <cstdlib>
#include <string_view>
#include <vector>

namespace tickstock::cli {

std::string without_line_end(std::string text) {
  if (!text.ends_with('\n')) return text;
  text.pop_back();
  if (text.ends_with('\r')) text.pop_back();
  return text;
}

void trim_libpq_variables() {
  std::vector<std::string> trimmed;
  for (char** each = environ; *each != nullptr; ++each) {
    const std::string_view entry = *each;
    if (entry.starts_with("PG") && entry.ends_with('\n')) trimmed.emplace_back(entry);
  }
  for (const std::string& entry : trimmed) {
    const std::size_t equals = entry.find('=');
    ::setenv(entry.substr(0, equals).c_str(), without_line_end(entry.substr(equals + 1)).c_str(),
             1);
  }
}

std::optional<std::string> variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  std::string text = without_line_end(value);
  if (text.empty()) return std::nullopt;
  return text;
}

}  // namespace tickstock::cli
