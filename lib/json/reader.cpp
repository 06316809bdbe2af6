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

bool StringArrayReader::read(std::string_view json) { return read_plain(json) || read_any(json); }

bool StringArrayReader::read_plain(std::string_view json) {
  constexpr std::string_view between = "\", \"";
  strings_.clear();
  if (!json.starts_with("[\"") || !json.ends_with("\"]")) return false;
  std::size_t begin = 2;
  for (std::size_t at = begin; at < json.size(); ++at) {
    const char c = json[at];
    if (c == '"') {
      strings_.push_back(json.substr(begin, at - begin));
      if (at == json.size() - 2) return true;
      if (json.substr(at, between.size()) != between) return false;
      begin = at + between.size();
      at = begin - 1;
    } else if (c < ' ' || c > '~' || c == '\\') {
      return false;
    }
  }
  return false;
}

bool StringArrayReader::read_any(std::string_view json) {
  strings_.clear();
  // RapidJSON takes a NUL for the end of the text.
  if (json.find('\0') != std::string_view::npos) return false;
  buffer_ = json;
  rapidjson::InsituStringStream input(buffer_.data());
  StringArrayHandler handler(strings_);
  rapidjson::Reader reader;
  // The handler refuses a second level as it begins, so the recursion has no depth.
  return !reader.Parse<rapidjson::kParseInsituFlag>(input, handler).IsError();
}

}  // namespace tickstock::json
