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

/// A running `COPY … TO STDOUT`. Destroying it before its end cancels it. Two of them, on two
/// connections, can run at once in one thread. It fails (retryable) if a table that its transaction
/// has read was truncated, rewritten or replaced since the snapshot.
class CopyOut {
 public:
  using Take = std::function<void(std::string_view)>;

  /// \param take gets the bytes as they arrive, in whole rows
  CopyOut(Connection& connection, Statement statement, Take take)
      : connection_(connection), statement_(std::move(statement)), take_(std::move(take)) {}
  ~CopyOut();
  CopyOut(const CopyOut&) = delete;

  /// Sends the statement, so that the server begins. \throws Error.
  void begin();

  /// Passes on all rows. \throws Error.
  void finish();

  /// Sends both statements in one message, for one connection to answer in turn, and passes on all
  /// rows. \param between is called when the first has ended. \throws Error.
  static void finish_in_turn(CopyOut& first, CopyOut& second, const std::function<void()>& between);

  /// Passes on the rows of both as they arrive. Once the first has ended, the second fails if
  /// nothing arrives for `longest_silence`. \return the failure of the second, which does not end
  /// the first. \throws Error if the first fails or a signal comes.
  static std::optional<Error> finish_both(CopyOut& first, CopyOut& second,
                                          std::chrono::milliseconds longest_silence);

 private:
  void send(std::string sql);
  /// Passes on what has arrived, without waiting. \return whether there is more to come.
  bool advance();

  Connection& connection_;
  Statement statement_;
  Take take_;
  io::Deadline deadline_ = io::Deadline::never();
  bool running_ = false;
  bool has_rows_ = false;
  bool ends_with_command_ = false;  ///< another one follows in the same message
  std::optional<Error> failure_;
};

/// A field of a row in PostgreSQL's binary COPY format; nothing for NULL.
using CopyField = std::optional<std::string_view>;

/// Splits the bytes of a `COPY … TO STDOUT (FORMAT binary)`, in pieces of any size, into rows.
class BinaryCopyReader {
 public:
  /// \param take gets the `width` fields of each row, valid during the call
  BinaryCopyReader(std::size_t width, std::function<void(std::span<const CopyField>)> take)
      : width_(width), take_(std::move(take)) {}

  /// \throws Error (failed) for bytes that are not in this format.
  void feed(std::string_view bytes);

 private:
  /// Returns the size in bytes of the header or row at the front; 0 if it is not complete yet.
  std::size_t consume(std::string_view bytes);

  std::size_t width_;
  std::function<void(std::span<const CopyField>)> take_;
  std::vector<CopyField> fields_;
  std::string rest_;
  bool header_read_ = false;
  bool ended_ = false;
};

/// Returns a binary `date`. Infinity, and years out of range for std::chrono, become Day::max() or
/// Day::min().
std::optional<Day> copy_day(const CopyField& field);

/// Returns the double nearest to a binary `numeric`: infinity if it is too large, NaN for NULL and
/// for NaN.
double copy_numeric(const CopyField& field);

/// Returns a binary `boolean`.
std::optional<bool> copy_boolean(const CopyField& field);

}  // namespace tickstock::postgres
