#include <cstddef>
#include <cstdint>

#include "fuzz/targets.hpp"

// The build sets the target; a linter that looks at this file alone needs one, too.
#ifndef TICKSTOCK_CACHE_FUZZ_TARGET
#define TICKSTOCK_CACHE_FUZZ_TARGET fuzz_content
#endif

// NOLINTBEGIN(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

/// An exception that escapes is a finding.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // NOLINTEND(readability-identifier-naming)
  tickstock::fuzz::TICKSTOCK_CACHE_FUZZ_TARGET(
      std::string_view(reinterpret_cast<const char*>(data), size));
  return 0;
}
