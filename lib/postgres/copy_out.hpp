#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string_view>

#include "postgres/connection.hpp"

namespace tickstock::postgres {

/// A `COPY … TO STDOUT` on its way; one that is left before its end is cancelled. Two of them, on
/// two connections, can run at once in one thread.
class CopyOut {
 public:
  using Take = std::function<void(std::string_view)>;

  /// `take` will get the bytes as they arrive, whole rows at a time.
  CopyOut(Connection& connection, Statement statement, Take take);
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
  enum class Stage { ready, sent, copying, ending, over };

  /// Hands over what is here, without waiting for more. \return whether there is more to come.
  bool advance();
  /// The server's first word.
  void start();
  void take_rows();
  /// What the server says after the rows. \return whether that was all.
  bool take_end();
  void wait();

  Connection& connection_;
  Statement statement_;
  Take take_;
  io::Deadline deadline_;
  Stage stage_ = Stage::ready;
  std::optional<Error> failure_;
};

}  // namespace tickstock::postgres
