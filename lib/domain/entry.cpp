#include "domain/entry.hpp"

#include <charconv>

#include "domain/text.hpp"

namespace tickstock {

std::string_view unreadable_because(const Entry& entry) {
  return entry.too_large ? "holds more than 64 MB of symbols"
                         : "is not an object with an array of strings under symbols";
}

const Entry* find_entry(const Entries& entries, std::string_view universe) {
  const auto found = entries.find(universe);
  return found == entries.end() ? nullptr : found->second.get();
}

std::string metadata_text(const std::vector<std::pair<std::string, std::string>>& pairs) {
  const auto shorter = [](const std::string& a, const std::string& b) {
    return a.size() != b.size() ? a.size() < b.size() : a < b;
  };
  std::map<std::string, std::string, decltype(shorter)> sorted(shorter);
  for (const auto& [key, value] : pairs) sorted.insert_or_assign(key, value);
  std::string text = "{";
  for (const auto& [key, value] : sorted) {
    text.append(text.size() > 1 ? ", " : "").append(json_quoted(key)).append(": ");
    text += json_quoted(value);
  }
  return text + "}";
}

bool count_is(std::string_view count, std::size_t size) {
  double number = -1;
  const auto [end, error] = std::from_chars(count.data(), count.data() + count.size(), number);
  return error == std::errc{} && end == count.data() + count.size() &&
         number == static_cast<double>(size);
}

}  // namespace tickstock
