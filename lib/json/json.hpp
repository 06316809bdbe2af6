#pragma once

#include <cmath>
#include <concepts>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "domain/error.hpp"

// RapidJSON checks with asserts, which a release build drops. Include it from here first, so that
// it throws instead.
// clang-format off
#define RAPIDJSON_ASSERT(x)                                                       \
  ((x) ? static_cast<void>(0)                                                     \
       : throw ::tickstock::Error(::tickstock::ErrorKind::failed,                 \
                                  "a JSON text was built in the wrong order"))
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
// clang-format on

namespace tickstock::json {

/// Returns nothing for an empty text, which a Writer then writes as null.
inline std::optional<std::string_view> null_if_empty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

/// A complete JSON text from PostgreSQL or another Writer, copied as it is.
struct Raw {
  std::string_view text;
};

/// How a Writer treats text that JSON cannot hold: bytes that are not UTF-8, or a NUL byte.
enum class BadText : unsigned char {
  refuse,  ///< for stored text, which must stay exactly as given
  escape   ///< for displayed text, which must not fail: `\xNN`
};

/// Writes one JSON text front to back on a single line. Rejects whatever PostgreSQL's jsonb or a
/// strict reader would reject. \throws Error (failed) for bad text under BadText::refuse, or for
/// calls out of order.
class Writer {
 public:
  explicit Writer(BadText bad_text = BadText::refuse) : bad_text_(bad_text) {}

  Writer& begin_object() { return require(json_.StartObject()); }
  Writer& end_object() { return require(json_.EndObject()); }
  Writer& begin_array() { return require(json_.StartArray()); }
  Writer& end_array() { return require(json_.EndArray()); }
  Writer& key(std::string_view name) { return require(json_.Key(name.data(), length_of(name))); }

  Writer& string(std::string_view value);
  /// Writes a value of any of these types: a non-finite number or an empty optional as null, a
  /// variant as the value it holds, and a function such as object() and list() return by calling it
  /// with this writer.
  template <typename Value>
  Writer& value(const Value& value) {
    if constexpr (std::same_as<Value, bool>) {
      return require(json_.Bool(value));
    } else if constexpr (std::floating_point<Value>) {
      return require(std::isfinite(value) ? json_.Double(value) : json_.Null());
    } else if constexpr (std::unsigned_integral<Value>) {
      return require(json_.Uint64(value));
    } else if constexpr (std::integral<Value>) {
      return require(json_.Int64(value));
    } else if constexpr (std::same_as<Value, Raw>) {
      return require(json_.RawValue(value.text.data(), value.text.size(), rapidjson::kObjectType));
    } else if constexpr (std::convertible_to<Value, std::string_view>) {
      return string(value);
    } else if constexpr (std::same_as<Value, std::nullopt_t>) {
      return require(json_.Null());
    } else if constexpr (requires { value.has_value(); }) {
      return value ? this->value(*value) : this->value(std::nullopt);
    } else if constexpr (requires { value.valueless_by_exception(); }) {
      return std::visit([this](const auto& held) -> Writer& { return this->value(held); }, value);
    } else if constexpr (std::invocable<const Value&, Writer&>) {
      value(*this);
      return *this;
    } else {
      begin_array();
      for (const auto& each : value) this->value(each);
      return end_array();
    }
  }
  /// Writes keys and values in turn; the last argument may be a function that writes more.
  template <std::invocable<Writer&> Fill>
  Writer& put(const Fill& fill) {
    return value(fill);
  }
  template <typename Value, typename... More>
  Writer& put(std::string_view name, const Value& value, const More&... more) {
    key(name).value(value);
    if constexpr (sizeof...(more) > 0) put(more...);
    return *this;
  }
  /// Writes an object of these keys and values.
  template <typename... Fields>
  Writer& object(const Fields&... fields) {
    return begin_object().put(fields...).end_object();
  }

  /// Returns the finished text.
  [[nodiscard]] std::string text() const;

 private:
  static rapidjson::SizeType length_of(std::string_view text) {
    return static_cast<rapidjson::SizeType>(text.size());
  }
  Writer& require(bool written);

  BadText bad_text_;
  rapidjson::StringBuffer buffer_;
  rapidjson::Writer<rapidjson::StringBuffer, rapidjson::UTF8<>, rapidjson::UTF8<>,
                    rapidjson::CrtAllocator, rapidjson::kWriteValidateEncodingFlag>
      json_{buffer_};
};

/// Returns an object of these keys and values, to use as a value in the same statement.
template <typename... Fields>
auto object(const Fields&... fields) {
  return [&](Writer& json) { json.object(fields...); };
}

/// Returns an array with what `write(json, item)` writes for each item, to use as a value.
template <typename Items, typename Write>
auto list(const Items& items, Write write) {
  return [&items, write](Writer& json) {
    json.begin_array();
    for (const auto& item : items) write(json, item);
    json.end_array();
  };
}

/// Reads JSON arrays of strings without building a document, and reuses its memory from one array
/// to the next.
class StringArrayReader {
 public:
  /// Reads one array. \return false for anything else: another type, an element that is not a
  /// string, or text that PostgreSQL's jsonb rejects too.
  bool read(std::string_view json) { return read_plain(json) || read_any(json); }

  /// Returns the elements of the array read last. They are valid as long as its text, and until the
  /// next read.
  [[nodiscard]] std::span<const std::string_view> strings() const { return strings_; }

 private:
  /// Reads the form in which PostgreSQL prints nearly every array: ASCII without escapes, a comma
  /// and a space between elements. Four times as fast as RapidJSON. \return false for anything
  /// else.
  bool read_plain(std::string_view json);
  bool read_any(std::string_view json);

  std::string buffer_;  ///< escapes are resolved in place here
  std::vector<std::string_view> strings_;
};

}  // namespace tickstock::json
