#include "domain/error.hpp"
#include "fuzz/targets.hpp"
#include "settings.hpp"

namespace tickstock::fuzz {

namespace {

constexpr std::string_view secret = "CANARY";

void check(const std::vector<cli::Given>& config) {
  for (const cli::Given& each : config) {
    require(cli::problem_of(*each.setting, each.value).empty(), "a value is out of its bounds");
    require(each.origin.name.starts_with("FILE:"), "a value does not say where it stands");
  }
}

}  // namespace

/// Tests the text of a configuration file: it sets values within bounds, or is rejected with the
/// name of the file. Values are never repeated.
void fuzz_config(std::string_view input) {
  const cli::Config config = cli::parse_config(expanded(input), "FILE");
  check(config.given);
  static_cast<void>(config.holds_password());
  if (!config.problem) return;
  const std::string_view words = config.problem->what();
  require(config.problem->kind() == ErrorKind::config, "an error of another kind");
  require(words.starts_with("the configuration file FILE: "),
          "the error doesn't say what it is about");
  // Unknown keys and sections are named in the message, and so are universes; only a value of a
  // setting can be a secret.
  bool names_key = false;
  for (const char* known : {"there is no setting", "there is no section", "is in double brackets",
                            "is outside a section", "[[universe]] "}) {
    names_key = names_key || words.find(known) != std::string_view::npos;
  }
  require(names_key || words.find(secret) == std::string_view::npos,
          "the error repeats what a value holds");
}

}  // namespace tickstock::fuzz
