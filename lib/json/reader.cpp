#include "json/reader.hpp"

#include "json/rapidjson.hpp"

namespace tickstock::json {

namespace {

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
    if (depth_ != 1) return false;
    take_(std::string_view(text, length));
    return true;
  }
  // NOLINTEND(readability-identifier-naming)

 private:
  const std::function<void(std::string_view)>& take_;
  int depth_ = 0;
};

}  // namespace

bool read_string_array(std::string_view json, const std::function<void(std::string_view)>& take) {
  rapidjson::MemoryStream input(json.data(), json.size());
  StringArrayHandler handler(take);
  rapidjson::Reader reader;
  // Iterative: a deeply nested value must not exhaust the stack before the handler refuses it.
  return !reader.Parse<rapidjson::kParseIterativeFlag>(input, handler).IsError();
}

}  // namespace tickstock::json
