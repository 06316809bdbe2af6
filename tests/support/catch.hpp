#pragma once

#include <string>

// Everything these tests use is spelled alike in Catch2 2 and 3, except for the header and one
// matcher. Matchers are named with their namespace, Catch::Matchers, which 3 requires.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>
#endif

namespace tickstock::test {

/// Matches a text that contains `part`.
inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

inline auto starts_with(const std::string& part) { return Catch::Matchers::StartsWith(part); }

}  // namespace tickstock::test
