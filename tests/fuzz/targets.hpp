#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tickstock::fuzz {

/// Each runs a reader of outside data on one input, and checks what must hold for any bytes.
/// \throws std::logic_error if something doesn't hold.
void fuzz_content(std::string_view input);
void fuzz_config(std::string_view input);
void fuzz_urls(std::string_view input);
void fuzz_replies(std::string_view input);
void fuzz_copy(std::string_view input);

/// \throws std::logic_error naming what does not hold.
void require(bool holds, const std::string& what);

/// Returns the input with each `<<N*text>>` replaced by N repetitions of the text, and each `<<#hex
/// digits>>` by those bytes, which keeps inputs small and readable.
std::string expanded(std::string_view input);

/// Removes the first line from the input and returns it.
std::string_view take_line(std::string_view& input);

/// Splits bytes into pieces of sizes 1 to 64, each chosen by the next character of `sizes`, and
/// after a few hundred of them into large ones; without sizes into a single piece.
std::vector<std::string_view> pieces(std::string_view bytes, std::string_view sizes);

/// Reads an array of strings in the plainest way, to compare with what the project reads. \return
/// false if PostgreSQL's jsonb would reject the text.
bool read_plainly(std::string_view json, std::vector<std::string>& elements);

}  // namespace tickstock::fuzz
