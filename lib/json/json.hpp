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

// The library's checks are asserts, which a release build would leave out. RapidJSON is included
// from here first.
// clang-format off
#define RAPIDJSON_ASSERT(x)                                                       \
  ((x) ? static_cast<void>(0)                                                     \
       : throw ::tickstock::Error(::tickstock::ErrorKind::failed,                 \
                                  "a JSON text was built in the wrong order"))
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>
// clang-format on

namespace tickstock::json {

/// A text that is null in JSON where it is empty.
inline std::optional<std::string_view> null_if_empty(std::string_view text) {
  return text.empty() ? std::nullopt : std::optional(text);
}

/// A complete JSON text that comes from PostgreSQL or another Writer.
struct Raw {
  std::string_view text;
};

/// What a Writer does with a text that JSON can't hold: bytes that are not UTF-8, or a NUL byte.
enum class BadText : unsigned char {
  refuse,  ///< what is stored must be exactly what was meant
  escape   ///< what is only shown must not fail: `\xNN`
};

/// Writes one JSON text, on one line, from front to back. It refuses what PostgreSQL's jsonb and a
/// strict reader would refuse. \throws Error (failed) for a bad text that is to be refused, or
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
  /// A value of any of these types, a number that is not finite as null; null for an optional that
  /// holds none; what a variant holds; what a function makes of the writer, as object() and list()
  /// below return one.
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
  /// Keys with their values, one after the other; the last may be a function that writes more.
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
  /// An object of keys with their values.
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

/// An object of keys with their values, as a value within the same statement.
template <typename... Fields>
auto object(const Fields&... fields) {
  return [&](Writer& json) { json.object(fields...); };
}

/// An array of what `write(json, item)` writes of each item, as a value.
template <typename Items, typename Write>
auto list(const Items& items, Write write) {
  return [&items, write](Writer& json) {
    json.begin_array();
    for (const auto& item : items) write(json, item);
    json.end_array();
  };
}

/// Reads JSON arrays of strings, without building a document. The memory for one is used again for
/// the next.
class StringArrayReader {
 public:
  /// \return false for anything else: another type, an element that is no string, or text that
  /// PostgreSQL's jsonb does not take either.
  bool read(std::string_view json) { return read_plain(json) || read_any(json); }

  /// The elements of the array that was read last; valid as long as its text, and until the next
  /// one.
  [[nodiscard]] std::span<const std::string_view> strings() const { return strings_; }

 private:
  /// Reads what PostgreSQL prints of nearly every array: ASCII without escapes, a comma and a blank
  /// between the elements. Four times as fast as the library. \return false for all else.
  bool read_plain(std::string_view json);
  bool read_any(std::string_view json);

  std::string buffer_;  ///< in which escapes are resolved in place
  std::vector<std::string_view> strings_;
};

}  // namespace tickstock::json
