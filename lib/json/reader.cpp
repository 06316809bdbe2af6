#include "json/reader.hpp"

#include "domain/utf8.hpp"
#include "json/rapidjson.hpp"

namespace tickstock::json {

namespace {

/// Whether PostgreSQL can hold the text: it is UTF-8 and without NUL. RapidJSON alone lets both
/// pass, from escapes as well.
bool is_text(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = text.front() == '\0' ? 0 : utf8_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

/// Accepts exactly `[` strings `]`; every other event ends the parse.
class StringArrayHandler
    : public rapidjson::BaseReaderHandler<rapidjson::UTF8<>, StringArrayHandler> {
 public:
  explicit StringArrayHandler(std::vector<std::string_view>& strings) : strings_(strings) {}

  // RapidJSON calls these by name.
  // NOLINTBEGIN(readability-identifier-naming)
  bool Default() { return false; }
  bool StartArray() { return depth_++ == 0; }
  bool EndArray(rapidjson::SizeType /*count*/) { return true; }
  bool String(const char* text, rapidjson::SizeType length, bool /*copy*/) {
    const std::string_view value(text, length);
    if (depth_ != 1 || !is_text(value)) return false;
    strings_.push_back(value);
    return true;
  }
  // NOLINTEND(readability-identifier-naming)

 private:
  std::vector<std::string_view>& strings_;
  int depth_ = 0;
};

}  // namespace

bool StringArrayReader::read(std::string_view json) {
  strings_.clear();
  // RapidJSON takes a NUL for the end of the text.
  if (json.find('\0') != std::string_view::npos) return false;
  buffer_ = json;
  rapidjson::InsituStringStream input(buffer_.data());
  StringArrayHandler handler(strings_);
  rapidjson::Reader reader;
  // Iterative: a deeply nested value must not exhaust the stack before the handler refuses it.
  constexpr unsigned flags = rapidjson::kParseIterativeFlag | rapidjson::kParseInsituFlag;
  return !reader.Parse<flags>(input, handler).IsError();
}

}  // namespace tickstock::json
