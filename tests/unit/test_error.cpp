// An error is a problem and a hint, combined in one place.

#include "domain/error.hpp"
#include "support/catch.hpp"

using namespace tickstock;

TEST_CASE("an error is one line: the problem, then the hint as a sentence of its own") {
  const Error bare(ErrorKind::failed, "no run is on record yet");
  CHECK(bare.what() == std::string("no run is on record yet"));
  CHECK(bare.hint().empty());
  const Error full(ErrorKind::redis, "the login is refused",
                   {.object = "Redis at h:1", .hint = "Check user and password."});
  CHECK(full.what() == std::string("the login is refused. Check user and password."));
  CHECK(full.problem() == "the login is refused");
  CHECK(full.object() == "Redis at h:1");
  CHECK(full.hint() == "Check user and password.");
  CHECK(with_hint("", "Run again.") == "Run again.");
  CHECK(with_hint("did you see it?", "Run again.") == "did you see it? Run again.");
  CHECK(with_hint("Wait.", "Run again.") == "Wait. Run again.");
}

TEST_CASE("an error that is passed on keeps its parts") {
  const Error error(ErrorKind::retryable, "deadlock detected",
                    {.object = "cache_entries", .hint = "Wait.", .sqlstate = "40P01"});
  const Error changed =
      error.as(ErrorKind::unavailable).after("the run failed: ").advised("Run again.");
  CHECK(changed.kind() == ErrorKind::unavailable);
  CHECK(changed.what() == std::string("the run failed: deadlock detected. Wait. Run again."));
  CHECK(changed.problem() == "the run failed: deadlock detected");
  CHECK(changed.object() == "cache_entries");
  CHECK(changed.hint() == "Wait. Run again.");
  CHECK(changed.sqlstate() == "40P01");
}

TEST_CASE("every part of an error is UTF-8") {
  const Error error(ErrorKind::config, "bad \xff", {.object = "file \xff", .hint = "Fix \xff."});
  CHECK(error.what() == std::string(R"(bad \xff. Fix \xff.)"));
  CHECK(error.object() == R"(file \xff)");
  CHECK(error.hint() == R"(Fix \xff.)");
}
