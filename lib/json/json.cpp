#include "json/json.hpp"

#include <rapidjson/reader.h>

#include "domain/text.hpp"

namespace tickstock::json {

namespace {

/// Accepts exactly `[` strings `]`; any other event ends the parse.
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
    // RapidJSON accepts what PostgreSQL can't store, also in escapes.
    if (depth_ != 1 || !is_utf8(value) || value.find('\0') != value.npos) return false;
    strings_.push_back(value);
    return true;
  }
  // NOLINTEND(readability-identifier-naming)

 private:
  std::vector<std::string_view>& strings_;
  int depth_ = 0;
};

}  // namespace

Writer& Writer::string(std::string_view value) {
  std::string escaped;
  if (bad_text_ == BadText::escape) {
    escaped = escaped_utf8(value);
    value = escaped;
  }
  require(value.find('\0') == std::string_view::npos);
  return require(json_.String(value.empty() ? "" : value.data(), length_of(value)));
}

std::string Writer::text() const {
  if (!json_.IsComplete()) throw Error(ErrorKind::failed, "a JSON text was left unfinished");
  return {buffer_.GetString(), buffer_.GetSize()};
}

Writer& Writer::require(bool written) {
  if (!written) {
    throw Error(ErrorKind::failed,
                "a text can't be written as JSON, since it is not valid UTF-8 or holds a NUL byte",
                {.hint = "Fix the row that holds it."});
  }
  return *this;
}

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
  // RapidJSON treats a NUL as the end of the text.
  if (json.find('\0') != std::string_view::npos) return false;
  buffer_ = json;
  rapidjson::InsituStringStream input(buffer_.data());
  StringArrayHandler handler(strings_);
  rapidjson::Reader reader;
  // The handler rejects a second level as soon as it begins, so recursion can't get deep.
  return !reader.Parse<rapidjson::kParseInsituFlag>(input, handler).IsError();
}

}  // namespace tickstock::json
