#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <variant>

#include "domain/error.hpp"
#include "show/screen.hpp"
#include "sync/options.hpp"
#include "version.hpp"

namespace tickstock::cli {

struct Options;

enum class Format : unsigned char { text, json };
/// What is logged: errors alone, what an operator wants to know, or more.
enum class LogLevel : unsigned char { quiet, normal, verbose };

/// How the result and the log look.
struct Output {
  Format format = Format::text;
  bool full = false;
  bool summary = false;   ///< no names
  bool markdown = false;  ///< instead of text
  bool detailed_exitcode = false;
  Format log_format = Format::text;
  When color = When::automatic;
  When progress = When::automatic;
  LogLevel log_level = LogLevel::normal;
  std::string metrics_file;  ///< empty for none
  std::string ping_url;      ///< empty for none

  [[nodiscard]] bool quiet() const { return log_level == LogLevel::quiet; }
  [[nodiscard]] bool json() const { return format == Format::json; }
  /// What standard output can show.
  [[nodiscard]] Screen screen() const { return screen_of(1, color); }
};

/// What the configuration file declares.
struct DeclaredUniverses {
  std::vector<Universe> universes = {};  ///< in their order
  std::string toml = {};                 ///< the same as they are written down
  std::string json = {};
};

/// The tables as they are written down, before a schema is put before each.
struct TableSettings {
  std::string schema = "public";
  std::string symbols = "symbols";
  std::string prices = "ohlcv_daily";
  std::string entries = "cache_entries";
};

/// What a setting holds, wherever it was given. Times are whole seconds.
using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// Where the value of a setting comes from.
struct Origin {
  enum class Kind : unsigned char { fallback, file, environment, flag };
  Kind kind = Kind::fallback;
  /// The flag, the variable, or `FILE:LINE`; empty for a default.
  std::string name;
};

/// The field that a setting is kept in; its type says what kind of value it takes. A double is a
/// percentage, and a server is an address.
using Field = std::variant<bool*, int*, std::int64_t*, std::size_t*, double*, std::string*,
                           std::vector<std::string>*, std::chrono::milliseconds*,
                           std::optional<int>*, std::optional<std::int64_t>*,
                           std::optional<std::string>*, std::optional<Day>*, CapSource*, Format*,
                           LogLevel*, When*, postgres::ConnectionSettings*, redis::RedisSettings*>;

/// What values a setting takes, of those that its field can hold.
struct Accepts {
  using Check = std::function<std::string(const std::string&)>;

  std::string called;        ///< how the help names the value of the flag
  std::int64_t lowest = 0;   ///< of a whole number
  std::int64_t highest = 0;  ///< 0 for what is none
  std::vector<std::string> words = {};
  Check check = {};  ///< returns what is wrong with a text, or nothing
};

/// A whole number in these limits.
Accepts within(std::int64_t lowest, std::int64_t highest);
/// One of these words, in the order of the values of the field.
Accepts one_of(const std::vector<std::string>& words);
/// A text that passes the check, or each of a list.
Accepts text(const Accepts::Check& check, const std::string& called = "");

/// One setting: what it takes, and every way to give it. Flags, the configuration file, its
/// example, the help and the listing of `config` are all made from these; so are the options that
/// belong to a command alone, which have no name.
struct Setting {
  std::string name;  ///< `run.lock_wait`
  Field field;
  std::string flag;     ///< `--lock-wait`; empty where there is none
  std::string meaning;  ///< what it does, for the help and the example
  Accepts accepts = {};
  std::optional<Value> example = {};  ///< where the default is no value, or none that tells much

  [[nodiscard]] std::string section() const { return name.substr(0, name.find('.')); }
  [[nodiscard]] std::string key() const { return name.substr(name.find('.') + 1); }
  /// `[section] key`
  [[nodiscard]] std::string title() const { return "[" + section() + "] " + key(); }
  /// An address may hold a password, without which it is shown.
  [[nodiscard]] bool is_address() const { return !variable().empty(); }
  /// The variable of the environment; empty where there is none.
  [[nodiscard]] std::string variable() const;
  /// What the help says of its flag.
  [[nodiscard]] std::string help() const;
  /// Whether its flag has no value.
  [[nodiscard]] bool is_switch() const {
    return std::holds_alternative<bool*>(field) && accepts.words.empty();
  }
  /// What a flag without a value sets.
  [[nodiscard]] bool switches_on() const { return !flag.starts_with("--no-"); }
  /// Whether a sound address holds a password.
  [[nodiscard]] bool has_password(const std::string& address) const;

  /// Nothing where it is not set and has no default.
  [[nodiscard]] std::optional<Value> value() const;
  /// \pre the value has no problem
  void set(const Value& value) const;
};

/// A value that was given somewhere. Its setting is one of the setting_table().
struct Given {
  const Setting* setting;
  Value value;
  Origin origin;
};

/// Everything a command needs, from flags, environment, file and defaults, in this order.
struct Settings {
  sync::Environment environment;
  sync::RunOptions run;
  TableSettings tables;
  Output output;
  DeclaredUniverses declared;
  std::string config_file;          ///< its path; empty where none was read
  std::string missing_config_file;  ///< the default one, where it does not exist
  /// Whether the address of Redis is sound, and what is said there may be.
  bool can_announce = false;
  std::map<std::string, Origin> origins;  ///< by name; what is not in it has its default

  /// Puts a value into its place, and remembers where it came from.
  void apply(const Given& given);
  [[nodiscard]] Origin origin(const std::string& setting) const;
};

/// Returns all there are, in the order in which the example shows them, with the fields of
/// `settings`.
std::vector<Setting> rows_of(Settings& settings);

/// The same with the defaults, which nobody changes.
const std::vector<Setting>& setting_table();

/// Returns the setting of that name, such as `run.timezone`. \throws std::out_of_range for none.
const Setting& setting(std::string_view name);

/// Returns what is wrong with a text that is to be the id of a run or the name of who triggered it:
/// 1 to 64 of `A-Za-z0-9._:-`.
std::string check_word(const std::string& text);

/// Returns what is wrong with a value, as the end of a sentence that begins with the name; empty
/// where it can be taken.
std::string problem_of(const Setting& setting, const Value& value);
/// What to do about it; empty if nothing is known.
std::string hint_of(const Setting& setting, const Value& value);

/// Returns the value that a text on the command line stands for; nothing where it is none of the
/// type.
std::optional<Value> parse_value(const Setting& setting, const std::string& text);

/// A value as TOML.
std::string toml_text(const Value& value);

/// Returns the candidate that differs from a word in the fewest letters, should it be few enough
/// for a slip of the pen.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

/// What a configuration file sets. A file with a problem is not used, but what is sound in it still
/// settles how the failure looks and whom it is announced to.
struct Config {
  std::vector<Given> given = {};
  DeclaredUniverses universes = {};
  /// The first thing that is wrong (config): it names the file, and the line or key.
  std::optional<Error> problem = {};

  /// Whether an address in it has a password.
  [[nodiscard]] bool holds_password() const;
};

/// Reads the text of a file in TOML. A key that is not known is a problem.
Config parse_config(const std::string& text, const std::string& path);

/// Reads and parses a file, which must be private where it holds a password.
Config read_config_file(const std::string& path);

/// Puts every setting that is sound into `settings`, so that a failure is shown and announced as
/// they say. \param default_file the configuration file where none is named; it need not exist
/// \return the first problem: (config) for an environment or a file that can't be used, (usage) for
/// a flag.
std::optional<Error> resolve_settings(const Options& options, Settings& settings,
                                      const std::string& default_file = default_config_file);

}  // namespace tickstock::cli
