#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>

#include "fuzz/targets.hpp"
#include "support/catch.hpp"

using namespace tickstock;

TEST_CASE("what must hold for any input holds for the seeds of the fuzzers") {
  const std::map<std::string, std::function<void(std::string_view)>> targets{
      {"config", fuzz::fuzz_config},
      {"content", fuzz::fuzz_content},
      {"copy", fuzz::fuzz_copy},
      {"replies", fuzz::fuzz_replies},
      {"urls", fuzz::fuzz_urls}};
  for (const auto& [name, run] : targets) {
    int count = 0;
    const std::filesystem::path folder =
        std::filesystem::path(TICKSTOCK_SOURCE_DIR) / "tests/fuzz/seeds" / name;
    for (const auto& seed : std::filesystem::directory_iterator(folder)) {
      INFO(seed.path().string());
      std::ifstream file(seed.path(), std::ios::binary);
      const std::string input{std::istreambuf_iterator<char>(file), {}};
      CHECK_NOTHROW(run(input));
      ++count;
    }
    INFO(name);
    CHECK(count > 0);
  }
}

TEST_CASE("a small input may stand for a large one or for bytes") {
  CHECK(fuzz::expanded("a<<3*xy>>b<<#00 fF>>c") == std::string("axyxyxyb\0\xff"
                                                               "c",
                                                               11));
  CHECK(fuzz::expanded("<<x>><<9999999999999999999999*x>><<5>>>> <<") == ">> <<");
  CHECK(fuzz::expanded("<<100000000*x>>").size() <= 2 << 20);
}
