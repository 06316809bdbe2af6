#include "config_file.hpp"
#include "domain/error.hpp"
#include "fuzz/targets.hpp"

namespace tickstock::fuzz {

namespace {

constexpr std::string_view secret = "CANARY";

template <typename Number>
void require_within(const std::optional<Number>& value, Number lowest, Number highest) {
  require(!value || (*value >= lowest && *value <= highest), "a number is out of its bounds");
}

void check(const cli::ConfigFile& config) {
  require_within<std::int64_t>(config.connections, 1, 2);
  require_within<std::int64_t>(config.lock_wait, 0, 86'400);
  require_within<std::int64_t>(config.max_universe_events, 0, 1'000'000);
  require_within<std::int64_t>(config.ipo_days, 1, 36'500);
  require_within<std::int64_t>(config.max_data_age_days, 1, 36'500);
  require_within(config.max_vanished_percent, 0.0, 100.0);
  require_within(config.max_appeared_percent, 0.0, 100.0);
  require_within(config.max_removed_percent, 0.0, 100.0);
}

}  // namespace

/// The text of a configuration file: it sets what is in bounds, or is refused with the name of the
/// file. What a value holds is never repeated.
void fuzz_config(std::string_view input) {
  const std::string text = expanded(input);
  try {
    const cli::ConfigFile config = cli::parse_config(text, "FILE");
    check(config);
    cli::holds_password(config);
  } catch (const Error& error) {
    const std::string_view words = error.what();
    require(error.kind() == ErrorKind::config, "an error of another kind");
    require(words.starts_with("the configuration file FILE: ") ||
                words.starts_with("the Redis URL can't be used: "),
            "the error doesn't say what it is about");
    // A key is named by its words; only a value can be a secret.
    const bool names_key = words.find("there is no setting") != std::string_view::npos ||
                           words.find("stands outside a section") != std::string_view::npos;
    require(names_key || words.find(secret) == std::string_view::npos,
            "the error repeats what a value holds");
  }
}

}  // namespace tickstock::fuzz
