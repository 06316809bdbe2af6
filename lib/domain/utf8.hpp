#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace tickstock {

/// How many bytes the character at the front of a text has in UTF-8; 0 where it is none, as the
/// Unicode Standard (table 3-7) has it: not too long, no surrogate, nothing above U+10FFFF. \pre
/// not empty.
std::size_t utf8_size(std::string_view text);

/// Returns whether a text is UTF-8 throughout.
bool is_utf8(std::string_view text);

/// Returns a text with every byte that is not UTF-8, and every NUL byte, written as `\xNN`, so that
/// JSON and PostgreSQL take it.
std::string escaped_utf8(std::string_view text);

}  // namespace tickstock
