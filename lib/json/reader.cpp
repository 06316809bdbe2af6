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
