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
/// What to log: errors only, what an operator wants to know, or more.
enum class LogLevel : unsigned char { quiet, normal, verbose };

/// The look of the result and the log.
struct Output {
  Format format = Format::text;
  bool full = false;
  /// text or json; for some commands also csv or markdown
  std::string listing = "text";
  bool summary = false;  ///< no names
  bool detailed_exitcode = false;
  Format log_format = Format::text;
  When color = When::automatic;
  When progress = When::automatic;
  LogLevel log_level = LogLevel::normal;
  std::string metrics_file;  ///< empty for none
  std::string ping_url;      ///< empty for none

  [[nodiscard]] bool quiet() const { return log_level == LogLevel::quiet; }
  [[nodiscard]] bool json() const { return format == Format::json; }
  /// Returns what standard output can show.
  [[nodiscard]] Screen screen() const { return screen_of(1, color); }
};

/// The universes declared by the configuration file.
struct DeclaredUniverses {
  std::vector<Universe> universes = {};  ///< in the order they are declared
  std::string toml = {};                 ///< the same as they are written in the file
  std::string json = {};
};

/// The names of tables as configured, before the schema is prepended.
struct TableSettings {
  std::string schema = "public";
  std::string symbols = "symbols";
  std::string prices = "ohlcv_daily";
  std::string entries = "cache_entries";
};

/// The value of a setting from any source. Times are whole seconds.
using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// Where a setting's value comes from.
struct Origin {
  enum class Kind : unsigned char { fallback, file, environment, flag };
  Kind kind = Kind::fallback;
  /// The flag, the variable, or `FILE:LINE`; empty for a default.
  std::string name;
};

/// The field that stores a setting; its type determines the kind of value. A double is a
/// percentage, and a server is an address.
using Field = std::variant<bool*, int*, std::int64_t*, std::size_t*, double*, std::string*,
                           std::vector<std::string>*, std::chrono::milliseconds*,
                           std::optional<int>*, std::optional<std::int64_t>*,
                           std::optional<std::string>*, std::optional<Day>*, CapSource*, Format*,
                           LogLevel*, When*, postgres::ConnectionSettings*, redis::RedisSettings*>;

/// The values that a setting accepts, out of those that its field can hold.
struct Accepts {
  using Check = std::function<std::string(const std::string&)>;

  std::string called;        ///< name of the flag's value in the help
  std::int64_t lowest = 0;   ///< of a whole number
  std::int64_t highest = 0;  ///< 0 for no limit
  std::vector<std::string> words = {};
  Check check = {};  ///< returns what is wrong with a text; empty if nothing
};

/// Accepts a whole number within these limits.
Accepts within(std::int64_t lowest, std::int64_t highest);
/// Accepts one of these words, in the order of the field's values.
Accepts one_of(const std::vector<std::string>& words);
/// Accepts a text that passes the check, or a list of such texts.
Accepts text(const Accepts::Check& check, const std::string& called = "");
/// Accepts a text that this pattern matches as a whole, or a list of such texts.
Accepts like(const std::string& pattern, const std::string& problem,
             const std::string& called = "");

/// One setting: what it accepts, and every way to set it. Flags, the configuration file, its
/// example, the help and the listing of `config` all derive from these. So do the options of single
/// commands, which have no name here.
struct Setting {
  std::string name;  ///< `run.lock_wait`
  Field field;
  std::string flag;     ///< `--lock-wait`; empty for none
  std::string meaning;  ///< what it does, for the help and the example
  Accepts accepts = {};
  std::optional<Value> example = {};  ///< if the default is no value, or not a helpful one

  [[nodiscard]] std::string section() const { return name.substr(0, name.find('.')); }
  [[nodiscard]] std::string key() const { return name.substr(name.find('.') + 1); }
  /// Returns `[section] key`.
  [[nodiscard]] std::string title() const { return "[" + section() + "] " + key(); }
  /// Returns whether it is an address, which may contain a password and is shown without it.
  [[nodiscard]] bool is_address() const { return !variable().empty(); }
  /// Returns the name of the environment variable; empty for none.
  [[nodiscard]] std::string variable() const;
  /// Returns the help text of its flag.
  [[nodiscard]] std::string help() const;
  /// Returns whether its flag takes no value.
  [[nodiscard]] bool is_switch() const {
    return std::holds_alternative<bool*>(field) && accepts.words.empty();
  }
  /// Returns the value that a flag without one sets.
  [[nodiscard]] bool switches_on() const { return !flag.starts_with("--no-"); }
  /// Returns whether a valid address contains a password.
  [[nodiscard]] bool has_password(const std::string& address) const;

  /// Returns the value; nothing if it is not set and has no default.
  [[nodiscard]] std::optional<Value> value() const;
  /// \pre the value has no problem
  void set(const Value& value) const;
};

/// A value given by some source. Its setting belongs to setting_table().
struct Given {
  const Setting* setting;
  Value value;
  Origin origin;
};

/// Everything a command needs, from flags, environment, file and defaults, in this order of
/// precedence.
struct Settings {
  sync::Environment environment;
  sync::RunOptions run;
  TableSettings tables;
  Output output;
  DeclaredUniverses declared;
  std::string config_file;          ///< its path; empty if none was read
  std::string missing_config_file;  ///< the default one, if it does not exist
  /// Whether the address of Redis is valid and events may be announced there.
  bool can_announce = false;
  std::map<std::string, Origin> origins;  ///< by name; a missing one has its default

  /// Stores a value in its field, and remembers its origin.
  void apply(const Given& given);
  [[nodiscard]] Origin origin(const std::string& setting) const;
};

/// Returns all settings, in the order of the example, bound to the fields of `settings`.
std::vector<Setting> rows_of(Settings& settings);

/// Returns the same with the defaults, which never change.
const std::vector<Setting>& setting_table();

/// Returns the setting of that name, such as `run.timezone`. \throws std::out_of_range for none.
const Setting& setting(std::string_view name);

/// Returns the server of a ping URL. Its path is often the secret that lets anyone ping.
std::string ping_server(const std::string& url);

/// Returns what is wrong with a run id or the name of who triggered a run; both have 1 to 64 of
/// `A-Za-z0-9._:-`.
std::string check_word(const std::string& text);

/// Returns what is wrong with a value, as the end of a sentence that begins with its name; empty if
/// it is valid. \param hint set to what to do about it, if anything is known
std::string problem_of(const Setting& setting, const Value& value, std::string* hint = nullptr);

/// Returns the value of a text from the command line; nothing if it is not of the right type.
std::optional<Value> parse_value(const Setting& setting, const std::string& text);

/// Returns a value as TOML.
std::string toml_text(const Value& value);

/// Returns the candidate closest to a word, if it is close enough to be a typo; otherwise nothing.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

/// The content of a configuration file. A file with a problem is not used, but its valid settings
/// still determine how the failure is shown and announced.
struct Config {
  std::vector<Given> given = {};
  DeclaredUniverses universes = {};
  /// The first problem (config): it names the file, and the line or key.
  std::optional<Error> problem = {};

  /// Returns whether an address in it contains a password.
  [[nodiscard]] bool holds_password() const;
};

/// Parses the text of a TOML file. An unknown key is a problem.
Config parse_config(const std::string& text, const std::string& path);

/// Reads and parses a file, which must be private if it contains a password.
Config read_config_file(const std::string& path);

/// Stores every valid setting in `settings`, so that a failure is shown and announced as they say.
/// \param default_file the configuration file if none is named; it need not exist \return the first
/// problem, of kind config.
std::optional<Error> resolve_settings(const Options& options, Settings& settings,
                                      const std::string& default_file = default_config_file);

}  // namespace tickstock::cli
