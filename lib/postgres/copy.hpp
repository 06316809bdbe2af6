#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "domain/day.hpp"
#include "postgres/connection.hpp"

namespace tickstock::postgres {

/// A `COPY … TO STDOUT` on its way; one that is left before its end is cancelled. Two of them, on
/// two connections, can run at once in one thread.
class CopyOut {
 public:
  using Take = std::function<void(std::string_view)>;

  /// `take` will get the bytes as they arrive, whole rows at a time.
  CopyOut(Connection& connection, Statement statement, Take take)
      : connection_(connection), statement_(std::move(statement)), take_(std::move(take)) {}
  ~CopyOut();
  CopyOut(const CopyOut&) = delete;
  CopyOut& operator=(const CopyOut&) = delete;

  /// Sends the statement, so that the server begins. \throws Error.
  void begin();

  /// Hands over all of it. \throws Error.
  void finish();

  /// Hands over all of both as they arrive. Once the first is done, the second may be silent for so
  /// long. \return what made the second one fail, which does not end the first. \throws Error when
  /// the first one fails or a signal comes.
  static std::optional<Error> finish_both(CopyOut& first, CopyOut& second,
                                          std::chrono::milliseconds longest_silence);

 private:
  /// Hands over what is here, without waiting for more. \return whether there is more to come.
  bool advance();
  /// Hands over the rows that are here. \return whether that was the last of them.
  bool take_rows();

  Connection& connection_;
  Statement statement_;
  Take take_;
  io::Deadline deadline_ = io::Deadline::never();
  bool running_ = false;
  bool has_rows_ = false;
  std::optional<Error> failure_;
};

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

/// Returns a `date` in binary; infinity, and years that no calendar of std::chrono has, become
/// Day::max() or Day::min().
std::optional<Day> copy_day(const CopyField& field);

/// Returns a `numeric` in binary as the nearest double: infinite where no double can hold it, NaN
/// for NULL and for NaN.
double copy_numeric(const CopyField& field);

/// Returns a `boolean` in binary.
std::optional<bool> copy_boolean(const CopyField& field);

}  // namespace tickstock::postgres
