#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "domain/text.hpp"

namespace tickstock::cli {

/// The first character of a text in UTF-8 and its bytes; a byte that begins none stands alone, as a
/// character that does not exist.
struct Character {
  char32_t code;
  std::size_t size;
};
inline constexpr char32_t no_character = 0xffffffff;

/// \pre not empty
Character first_character(std::string_view text);

/// `text` with every control character, every turn of the direction of writing and every byte that
/// is no UTF-8 written as an escape, so that a name or message from outside can neither forge a
/// line nor command the terminal. Letters of any script stay as they are.
std::string printable(std::string_view text);

/// `$4.22 T`, `$198.30 B`, `$52.10 M`, `$999999`; `-` for what is no finite number.
std::string dollars(double amount);

}  // namespace tickstock::cli
