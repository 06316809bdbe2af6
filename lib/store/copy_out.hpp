#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "store/connection.hpp"

namespace tickstock::store {

/// A `COPY … TO STDOUT` on its way. Two of them, on two connections, can run at once in one thread.
class CopyOut {
 public:
  using Take = std::function<void(std::string_view)>;

  /// `take` will get the bytes as they arrive, whole rows at a time.
  CopyOut(Connection& connection, Statement statement, Take take);

  /// Sends the statement, so that the server begins. \throws Error.
  void begin();

  /// Hands over all of it. \throws Error.
  void finish();

  /// Hands over all of both as they arrive. \return what made the second one fail, which does not
  /// end the first. \throws Error when the first one fails or a signal comes.
  static std::optional<Error> finish_both(CopyOut& first, CopyOut& second);

 private:
  /// Hands over what is here. \return whether there is more to come.
  bool advance();
  void wait();
  void end();

  Connection& connection_;
  Statement statement_;
  Take take_;
  io::Deadline deadline_;
  bool sent_ = false;
  bool started_ = false;
};

}  // namespace tickstock::store
