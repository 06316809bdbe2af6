#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace tickstock {

/// `1 universe`, `2 universes`.
inline std::string counted(std::uint64_t number, const std::string& one, const std::string& many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

/// `'A', 'B' and 3 more`: the first `most` of some names in byte order.
inline std::string listed_names(std::vector<std::string> names, std::size_t most) {
  std::sort(names.begin(), names.end());
  std::string list;
  for (std::size_t i = 0; i < std::min(names.size(), most); ++i) {
    const bool is_last = i > 0 && i + 1 == names.size();
    list += (i == 0 ? "'" : is_last ? " and '" : ", '") + names[i] + "'";
  }
  if (names.size() > most) list += " and " + std::to_string(names.size() - most) + " more";
  return list;
}

}  // namespace tickstock
