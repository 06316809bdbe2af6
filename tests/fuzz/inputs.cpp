#include <algorithm>
#include <charconv>
#include <stdexcept>
#include <system_error>

#include "fuzz/targets.hpp"

namespace tickstock::fuzz {

namespace {

constexpr std::size_t most_bytes = 2 << 20;
// A reader may look at all it has whenever something arrives, so a long input needs large pieces.
constexpr std::size_t small_pieces = 256;
constexpr std::size_t large_piece = 16'384;

void append_repeated(std::string& text, std::string_view directive) {
  std::size_t times = 0;
  const char* const end = directive.data() + directive.size();
  const auto [stop, error] = std::from_chars(directive.data(), end, times);
  if (error != std::errc{} || stop == end || *stop != '*') return;
  const std::string_view part =
      directive.substr(static_cast<std::size_t>(stop - directive.data()) + 1);
  for (; times > 0 && text.size() + part.size() <= most_bytes && !part.empty(); --times)
    text += part;
}

void append_bytes(std::string& text, std::string_view digits) {
  while (!digits.empty()) {
    unsigned value = 0;
    const std::string_view pair = digits.substr(0, 2);
    const auto [stop, error] = std::from_chars(pair.data(), pair.data() + pair.size(), value, 16);
    if (error == std::errc{} && pair.size() == 2 && stop == pair.data() + 2) {
      text += static_cast<char>(value);
      digits.remove_prefix(2);
    } else {
      digits.remove_prefix(1);
    }
  }
}

}  // namespace

void require(bool holds, const std::string& what) {
  if (!holds) throw std::logic_error(what);
}

std::string expanded(std::string_view input) {
  std::string text;
  while (!input.empty()) {
    const std::size_t begin = input.find("<<");
    const std::size_t end = begin == std::string_view::npos ? begin : input.find(">>", begin + 2);
    if (end == std::string_view::npos) break;
    text += input.substr(0, begin);
    const std::string_view directive = input.substr(begin + 2, end - begin - 2);
    if (directive.starts_with('#')) {
      append_bytes(text, directive.substr(1));
    } else {
      append_repeated(text, directive);
    }
    input.remove_prefix(end + 2);
  }
  text += input;
  return text;
}

std::string_view take_line(std::string_view& input) {
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string_view line = input.substr(0, end);
  input.remove_prefix(std::min(end + 1, input.size()));
  return line;
}

std::vector<std::string_view> pieces(std::string_view bytes, std::string_view sizes) {
  if (sizes.empty()) return {bytes};
  std::vector<std::string_view> cut;
  for (std::size_t i = 0; !bytes.empty(); ++i) {
    const auto choice = static_cast<unsigned char>(sizes[i % sizes.size()]);
    const std::size_t size = i < small_pieces ? std::size_t{1} + choice % 64 : large_piece;
    const std::string_view piece = bytes.substr(0, size);
    cut.push_back(piece);
    bytes.remove_prefix(piece.size());
  }
  return cut;
}

}  // namespace tickstock::fuzz
