#pragma once

#include <charconv>
#include <concepts>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

namespace tickstock {

/// Returns the number of characters in UTF-8 text.
std::size_t characters_of(std::string_view text);

/// Returns a text without ASCII white space at either end.
std::string_view trimmed(std::string_view text);

/// Returns a text in lower-case ASCII, with each run of bytes other than letters and digits
/// replaced by one `_`, and none at either end: `health_care` for ` Health Care`.
std::string slug_of(std::string_view text);

/// Returns a text with every `part` replaced. \pre `part` is not empty.
std::string replaced(std::string text, std::string_view part, std::string_view replacement);

/// Returns a text as a JSON string, as PostgreSQL prints jsonb.
std::string json_quoted(std::string_view text);

/// Reads the JSON string at the front of a text, as PostgreSQL prints it; returns nothing for
/// anything else.
std::optional<std::string> json_unquoted(std::string_view text);

/// Returns `1 universe`, `2 universes`.
template <std::integral Number>
std::string counted(Number number, const std::string& one, const std::string& many) {
  return std::to_string(number) + " " + (number == 1 ? one : many);
}

/// Joins words as in `A, B or C`. \param last what comes before the last one
std::string joined(const std::vector<std::string>& words, std::string_view last);

/// Returns `'A', 'B' and 3 more`: the first `most` names in byte order.
std::string listed_names(std::vector<std::string> names, std::size_t most);

/// Returns the length in bytes of the UTF-8 character at the front of a text; 0 if it is invalid by
/// table 3-7 of the Unicode Standard: no overlong forms, no surrogates, nothing above U+10FFFF.
/// \pre not empty.
std::size_t utf8_size(std::string_view text);

/// Returns whether a text is valid UTF-8.
bool is_utf8(std::string_view text);

/// Returns a text with every byte that is not UTF-8, and every NUL byte, written as `\xNN`, so that
/// JSON and PostgreSQL accept it.
std::string escaped_utf8(std::string_view text);

/// Returns the number that makes up the whole text; nothing for any other text. \param format as
/// for std::from_chars, such as a base
template <typename Number, typename... Format>
std::optional<Number> number_of(std::string_view text, Format... format) {
  Number number{};
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, number, format...);
  if (error != std::errc{} || end != last) return std::nullopt;
  return number;
}

/// Returns whether a text holds a URL. Where a name belongs, no message may then repeat it, since
/// it could hold a password.
inline bool is_url(std::string_view text) { return text.find("://") != std::string_view::npos; }

}  // namespace tickstock
