#include "domain/entry.hpp"

#include <algorithm>

#include "domain/number.hpp"

namespace tickstock {

std::string_view unreadable_because(const Entry& entry) {
  return entry.too_large ? "holds more than 64 MB of symbols"
                         : "is not an object with an array of strings under symbols";
}

const Entry* find_entry(const Entries& entries, std::string_view universe) {
  const auto found = entries.find(universe);
  return found == entries.end() ? nullptr : found->second.get();
}

std::string metadata_text(std::vector<std::pair<std::string, std::string>> pairs) {
  std::sort(pairs.begin(), pairs.end(), [](const auto& a, const auto& b) {
    return a.first.size() != b.first.size() ? a.first.size() < b.first.size() : a.first < b.first;
  });
  std::string text = "{";
  for (const auto& [key, value] : pairs) {
    if (text.size() > 1) text += ", ";
    text.append(1, '"').append(key).append("\": \"").append(value).append(1, '"');
  }
  return text + "}";
}

bool count_is(std::string_view count, std::size_t size) {
  return number_of<double>(count) == static_cast<double>(size);
}

}  // namespace tickstock
