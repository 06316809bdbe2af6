#include "json.hpp"

// Include this first: it configures RapidJSON's headers, and that must be the same throughout a
// program.
// clang-format off
#include "json/json.hpp"
// clang-format on

#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include <charconv>
#include <stdexcept>
#include <utility>

namespace tickstock::test {

namespace {

using Writer = rapidjson::Writer<rapidjson::StringBuffer>;

std::string_view view(const rapidjson::Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

void write(Writer& writer, const rapidjson::Value& value, const std::set<std::string>& left_out) {
  if (value.IsObject()) {
    writer.StartObject();
    for (auto it = value.MemberBegin(); it != value.MemberEnd(); ++it) {
      if (!left_out.contains(std::string(view(it->name)))) {
        writer.Key(it->name.GetString(), it->name.GetStringLength());
        write(writer, it->value, left_out);
      }
    }
    writer.EndObject();
  } else if (value.IsArray()) {
    writer.StartArray();
    for (rapidjson::SizeType i = 0; i < value.Size(); ++i) {
      write(writer, value[i], left_out);
    }
    writer.EndArray();
  } else {
    value.Accept(writer);
  }
}

}  // namespace

struct Json::State {
  std::shared_ptr<const rapidjson::Document> document;
  const rapidjson::Value* value;
  std::string path;

  State child(const rapidjson::Value& part, const std::string& name) const {
    return {document, &part, path.empty() ? name : path + "." + name};
  }
};

Json::Json(State state) : state_(std::make_shared<const State>(std::move(state))) {}

Json Json::parse(const std::string& text) {
  constexpr unsigned flags =
      rapidjson::kParseFullPrecisionFlag | rapidjson::kParseValidateEncodingFlag;
  auto document = std::make_shared<rapidjson::Document>();
  document->Parse<flags>(text.data(), text.size());
  if (document->HasParseError()) {
    throw std::runtime_error(fmt::format("JSON, offset {}: {} in: {}", document->GetErrorOffset(),
                                         rapidjson::GetParseError_En(document->GetParseError()),
                                         text.substr(0, 400)));
  }
  const rapidjson::Value* const root = document.get();
  return Json(State{std::move(document), root, ""});
}

void Json::fail(const std::string& what) const {
  const std::string& path = state_->path;
  throw std::runtime_error(fmt::format("JSON, {}: {}; the value: {}",
                                       path.empty() ? "document" : path, what,
                                       text().substr(0, 400)));
}

void Json::expect(bool good, const char* type) const {
  if (!good) {
    fail(fmt::format("not {}", type));
  }
}

std::optional<Json> Json::find(const std::string& name) const {
  const rapidjson::Value& value = *state_->value;
  if (value.IsObject()) {
    for (auto it = value.MemberBegin(); it != value.MemberEnd(); ++it) {
      if (view(it->name) == name) {
        return Json(state_->child(it->value, name));
      }
    }
  } else if (value.IsArray()) {
    rapidjson::SizeType position = 0;
    const char* const end = name.data() + name.size();
    const auto parsed = std::from_chars(name.data(), end, position);
    if (parsed.ec == std::errc() && parsed.ptr == end && position < value.Size()) {
      return Json(state_->child(value[position], name));
    }
  }
  return std::nullopt;
}

Json Json::member(const std::string& name) const {
  std::optional<Json> found = find(name);
  if (!found) {
    fail("there is no " + name);
  }
  return *std::move(found);
}

Json Json::item(std::size_t position) const { return member(std::to_string(position)); }

Json Json::at(std::string_view path) const {
  const std::size_t dot = path.find('.');
  const Json next = member(std::string(path.substr(0, dot)));
  return dot == std::string_view::npos ? next : next.at(path.substr(dot + 1));
}

bool Json::has(std::string_view path) const {
  const std::size_t dot = path.find('.');
  const std::optional<Json> found = find(std::string(path.substr(0, dot)));
  return found && (dot == std::string_view::npos || found->has(path.substr(dot + 1)));
}

std::string Json::str() const {
  expect(state_->value->IsString(), "a string");
  return std::string(view(*state_->value));
}

double Json::num() const {
  expect(state_->value->IsNumber(), "a number");
  return state_->value->GetDouble();
}

std::int64_t Json::integer() const {
  expect(state_->value->IsInt64(), "an integer");
  return state_->value->GetInt64();
}

bool Json::boolean() const {
  expect(state_->value->IsBool(), "true or false");
  return state_->value->GetBool();
}

bool Json::is_null() const { return state_->value->IsNull(); }
bool Json::is_string() const { return state_->value->IsString(); }
bool Json::is_number() const { return state_->value->IsNumber(); }
bool Json::is_array() const { return state_->value->IsArray(); }
bool Json::is_object() const { return state_->value->IsObject(); }

std::size_t Json::size() const {
  expect(state_->value->IsArray() || state_->value->IsObject(), "an array or an object");
  return state_->value->IsArray() ? state_->value->Size() : state_->value->MemberCount();
}

std::vector<std::string> Json::keys() const {
  expect(state_->value->IsObject(), "an object");
  std::vector<std::string> names;
  for (auto it = state_->value->MemberBegin(); it != state_->value->MemberEnd(); ++it) {
    names.emplace_back(view(it->name));
  }
  return names;
}

std::vector<Json> Json::items() const {
  expect(state_->value->IsArray(), "an array");
  std::vector<Json> all;
  for (rapidjson::SizeType i = 0; i < state_->value->Size(); ++i) {
    all.push_back(Json(state_->child((*state_->value)[i], std::to_string(i))));
  }
  return all;
}

std::vector<std::string> Json::strings() const {
  std::vector<std::string> all;
  for (const Json& item : items()) {
    all.push_back(item.str());
  }
  return all;
}

std::string Json::text() const { return text_without({}); }

std::string Json::text_without(const std::set<std::string>& names) const {
  rapidjson::StringBuffer buffer;
  Writer writer(buffer);
  write(writer, *state_->value, names);
  return {buffer.GetString(), buffer.GetSize()};
}

}  // namespace tickstock::test
