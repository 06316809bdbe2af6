#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace tickstock::json {

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
  explicit Writer(BadText bad_text = BadText::refuse);
  ~Writer();
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;

  Writer& begin_object();
  Writer& end_object();
  Writer& begin_array();
  Writer& end_array();
  Writer& key(std::string_view name);

  Writer& string(std::string_view value);
  Writer& number(std::int64_t value);
  Writer& number(std::uint64_t value);
  Writer& number(int value) { return number(std::int64_t{value}); }
  /// Not finite numbers become null.
  Writer& real(double value);
  Writer& boolean(bool value);
  Writer& null();
  /// A complete JSON text that comes from PostgreSQL or another Writer.
  Writer& raw(std::string_view json);
  Writer& string_or_null(const std::optional<std::string>& value);
  Writer& number_or_null(const std::optional<std::int64_t>& value);
  Writer& real_or_null(const std::optional<double>& value);
  /// Null for an empty text.
  Writer& text_or_null(std::string_view value);

  /// The finished text.
  [[nodiscard]] std::string text() const;

 private:
  Writer& string_as_is(std::string_view value);

  struct Implementation;
  BadText bad_text_;
  std::unique_ptr<Implementation> impl_;
};

}  // namespace tickstock::json
