#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/day.hpp"

namespace tickstock::postgres {

/// One field of a row in PostgreSQL's binary COPY format; nothing is NULL.
using CopyField = std::optional<std::string_view>;

/// Cuts the bytes of a `COPY … TO STDOUT (FORMAT binary)` into rows, in whatever pieces they
/// arrive.
class BinaryCopyReader {
 public:
  /// `take` gets the `width` fields of each row, valid during the call.
  BinaryCopyReader(std::size_t width, std::function<void(std::span<const CopyField>)> take)
      : width_(width), take_(std::move(take)) {}

  /// \throws Error (failed) for bytes that are not in the format.
  void feed(std::string_view bytes);

 private:
  /// How many bytes of `bytes` were a header or a row; 0 when one is not complete yet.
  std::size_t consume(std::string_view bytes);

  std::size_t width_;
  std::function<void(std::span<const CopyField>)> take_;
  std::vector<CopyField> fields_;
  std::string rest_;
  bool header_read_ = false;
  bool ended_ = false;
};

/// A `date` in binary; infinity, and years that no calendar of std::chrono has, become
/// Day::max() or Day::min().
std::optional<Day> copy_day(const CopyField& field);

/// A `numeric` in binary as the nearest double: infinite where no double can hold it, NaN for NULL
/// and for NaN.
double copy_numeric(const CopyField& field);

/// A `boolean` in binary.
std::optional<bool> copy_boolean(const CopyField& field);

}  // namespace tickstock::postgres
