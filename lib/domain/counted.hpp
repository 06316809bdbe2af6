#pragma once

#include <cstdint>
#include <string>

namespace tickstock {

/// `1 universe`, `2 universes`.
inline std::string counted(std::uint64_t number, const std::string& one, const std::string& many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

}  // namespace tickstock
