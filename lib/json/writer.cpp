#include "json/writer.hpp"

#include <cmath>

#include "domain/error.hpp"
#include "domain/utf8.hpp"
#include "json/rapidjson.hpp"

namespace tickstock::json {

namespace {

using Buffer = rapidjson::StringBuffer;
using Checked = rapidjson::Writer<Buffer, rapidjson::UTF8<>, rapidjson::UTF8<>,
                                  rapidjson::CrtAllocator, rapidjson::kWriteValidateEncodingFlag>;

void require(bool written) {
  if (!written) {
    throw Error(ErrorKind::failed,
                "a text can't be written as JSON, since it is not valid UTF-8 or holds a NUL byte; "
                "fix the row that holds it");
  }
}

rapidjson::SizeType length(std::string_view text) {
  return static_cast<rapidjson::SizeType>(text.size());
}

}  // namespace

struct Writer::Implementation {
  Buffer buffer;
  Checked writer{buffer};
};

Writer::Writer(BadText bad_text) : bad_text_(bad_text), impl_(std::make_unique<Implementation>()) {}

Writer::~Writer() = default;

Writer& Writer::begin_object() {
  require(impl_->writer.StartObject());
  return *this;
}

Writer& Writer::end_object() {
  require(impl_->writer.EndObject());
  return *this;
}

Writer& Writer::begin_array() {
  require(impl_->writer.StartArray());
  return *this;
}

Writer& Writer::end_array() {
  require(impl_->writer.EndArray());
  return *this;
}

Writer& Writer::key(std::string_view name) {
  require(impl_->writer.Key(name.data(), length(name)));
  return *this;
}

Writer& Writer::string(std::string_view value) {
  return bad_text_ == BadText::escape ? string_as_is(escaped_utf8(value)) : string_as_is(value);
}

Writer& Writer::string_as_is(std::string_view value) {
  require(value.find('\0') == std::string_view::npos);
  require(impl_->writer.String(value.empty() ? "" : value.data(), length(value)));
  return *this;
}

Writer& Writer::number(std::int64_t value) {
  require(impl_->writer.Int64(value));
  return *this;
}

Writer& Writer::number(std::uint64_t value) {
  require(impl_->writer.Uint64(value));
  return *this;
}

Writer& Writer::real(double value) {
  require(std::isfinite(value) ? impl_->writer.Double(value) : impl_->writer.Null());
  return *this;
}

Writer& Writer::boolean(bool value) {
  require(impl_->writer.Bool(value));
  return *this;
}

Writer& Writer::null() {
  require(impl_->writer.Null());
  return *this;
}

Writer& Writer::raw(std::string_view json) {
  require(impl_->writer.RawValue(json.data(), json.size(), rapidjson::kObjectType));
  return *this;
}

Writer& Writer::string_or_null(const std::optional<std::string>& value) {
  return value ? string(*value) : null();
}

Writer& Writer::number_or_null(const std::optional<std::int64_t>& value) {
  return value ? number(*value) : null();
}

Writer& Writer::real_or_null(const std::optional<double>& value) {
  return value ? real(*value) : null();
}

Writer& Writer::text_or_null(std::string_view value) {
  return value.empty() ? null() : string(value);
}

std::string Writer::text() const {
  if (!impl_->writer.IsComplete())
    throw Error(ErrorKind::failed, "a JSON text was left unfinished");
  return {impl_->buffer.GetString(), impl_->buffer.GetSize()};
}

}  // namespace tickstock::json
