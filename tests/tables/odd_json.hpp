#pragma once

#include <cstddef>
#include <random>
#include <string>

namespace tickstock::test {

/// Generates JSON or almost-JSON: odd escapes, blanks, control characters, bytes that are not
/// UTF-8, numbers at the limits, repeated names. The same seed gives the same texts everywhere.
class OddJson {
 public:
  explicit OddJson(unsigned seed) : random_(seed) {}

  /// Returns an array, mostly of strings.
  std::string array();
  /// Returns possible content of an entry.
  std::string content();

 private:
  std::size_t below(std::size_t limit) { return random_() % limit; }
  bool once_in(std::size_t times) { return below(times) == 0; }
  const char* blank();
  std::string string();
  std::string piece();
  std::string value(int depth);
  std::string list(int depth);
  std::string damaged(std::string text);

  std::mt19937 random_;
};

}  // namespace tickstock::test
