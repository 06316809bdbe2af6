#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tickstock {

/// Returns a text without the white space (of ASCII) at both ends.
std::string_view trimmed(std::string_view text);

/// Returns a text in lower-case ASCII, with every run of other bytes than letters and digits as one
/// `_`, and none at either end: `health_care` for ` Health Care`.
std::string slug_of(std::string_view text);

/// Returns a text as a string of JSON, as PostgreSQL prints jsonb.
std::string json_quoted(std::string_view text);

/// Reads the string of JSON at the front of a text, as PostgreSQL prints it; nothing for anything
/// else.
std::optional<std::string> json_unquoted(std::string_view text);

}  // namespace tickstock
