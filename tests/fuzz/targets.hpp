#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace tickstock::fuzz {

/// A reader of what comes from outside, and what must hold for it whatever the bytes are. Each
/// takes one input; \throws std::logic_error where something doesn't hold.
void fuzz_content(std::string_view input);
void fuzz_config(std::string_view input);
void fuzz_urls(std::string_view input);
void fuzz_replies(std::string_view input);
void fuzz_copy(std::string_view input);

/// \throws std::logic_error naming what does not hold.
void require(bool holds, const std::string& what);

/// The input with each `<<N*text>>` replaced by N times the text, and each `<<#hex digits>>` by
/// those bytes, so that an input can be small or readable where its meaning is neither.
std::string expanded(std::string_view input);

/// Takes the first line off the input.
std::string_view take_line(std::string_view& input);

/// Cuts bytes into pieces whose sizes are 1 to 64, each chosen by the next character of `sizes`,
/// and what is left after a few hundred into large ones; into a single one where there are no
/// sizes.
std::vector<std::string_view> pieces(std::string_view bytes, std::string_view sizes);

/// An array of strings read in the plainest way, to be compared with what the project reads.
/// \return false where the text is none that PostgreSQL's jsonb takes.
bool read_plainly(std::string_view json, std::vector<std::string>& elements);

}  // namespace tickstock::fuzz
