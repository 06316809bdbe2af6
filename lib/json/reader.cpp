#include "json/reader.hpp"

#include "json/rapidjson.hpp"

namespace tickstock::json {

namespace {

/// How many bytes the character at the front has in UTF-8; 0 where it is none.
std::size_t character_size(std::string_view text) {
  const auto byte = [text](std::size_t at) -> unsigned {
    return at < text.size() ? static_cast<unsigned char>(text[at]) : 0;
  };
  const auto continues = [byte](std::size_t at) { return (byte(at) & 0xc0) == 0x80; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  if (lead >= 0xc2 && lead <= 0xdf) return continues(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    // Neither longer than need be, nor half of a surrogate pair.
    const bool sound = lead == 0xe0 ? byte(1) >= 0xa0 : lead != 0xed || byte(1) <= 0x9f;
    return sound && continues(1) && continues(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const bool sound = lead == 0xf0 ? byte(1) >= 0x90 : lead != 0xf4 || byte(1) <= 0x8f;
    return sound && continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

/// Whether PostgreSQL can hold the text: it is UTF-8 and without NUL. RapidJSON alone lets both
/// pass, from escapes as well.
bool is_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = text.front() == '\0' ? 0 : character_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

/// Accepts exactly `[` strings `]`; every other event ends the parse.
class StringArrayHandler
    : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, StringArrayHandler> {
 public:
  explicit StringArrayHandler(const std::function<void(std::string_view)>& take) : take_(take) {}

  // RapidJSON calls these by name.
  // NOLINTBEGIN(readability-identifier-naming)
  bool Default() { return false; }
  bool StartArray() { return depth_++ == 0; }
  bool EndArray(rapidjson::SizeType /*count*/) { return true; }
  bool String(const char* text, rapidjson::SizeType length, bool /*copy*/) {
    const std::string_view value(text, length);
    if (depth_ != 1 || !is_text(value)) return false;
    take_(value);
    return true;
  }
  // NOLINTEND(readability-identifier-naming)

 private:
  const std::function<void(std::string_view)>& take_;
  int depth_ = 0;
};

}  // namespace

bool read_string_array(std::string_view json, const std::function<void(std::string_view)>& take) {
  // RapidJSON takes a NUL for the end of the text.
  if (json.find('\0') != std::string_view::npos) return false;
  rapidjson::MemoryStream input(json.data(), json.size());
  StringArrayHandler handler(take);
  rapidjson::Reader reader;
  // Iterative: a deeply nested value must not exhaust the stack before the handler refuses it.
  return !reader.Parse<rapidjson::kParseIterativeFlag>(input, handler).IsError();
}

}  // namespace tickstock::json
