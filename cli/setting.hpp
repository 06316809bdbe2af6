#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace tickstock::cli {

struct Settings;

/// What a setting holds, wherever it was given. Times are whole seconds.
using Value = std::variant<bool, std::int64_t, double, std::string, std::vector<std::string>>;

/// Where the value of a setting comes from.
struct Origin {
  enum class Kind : unsigned char { fallback, file, environment, flag };
  Kind kind = Kind::fallback;
  /// The flag, the variable, or `FILE:LINE`; empty for a default.
  std::string name;
};

/// One setting: what it takes, and every way to give it. Flags, the configuration file, its
/// example, the help and the listing of `config` are all made from these.
struct Setting {
  enum class Type : unsigned char { text, whole, percent, boolean, choice, list };

  std::string section;
  std::string key;
  Type type;
  std::string meaning;  ///< what it does, for the help and the example

  std::int64_t lowest = 0;  ///< of a whole number
  std::int64_t highest = 0;
  std::vector<std::string> choices;
  std::function<std::string(const std::string&)> check;  ///< what is wrong with a text, if anything
  /// Whether a text that is sound holds a password; only of an address, which is printed without.
  std::function<bool(const std::string&)> has_password;

  std::optional<Value> example;  ///< where the default is no value, or none that tells much

  std::string variable;    ///< of the environment; empty where there is none
  std::string flag;        ///< `--lock-wait`; empty where there is none
  std::string flag_type;   ///< what the help calls its value; empty for a flag without one
  bool flag_value = true;  ///< what a flag without a value sets

  std::function<void(Settings&, const Value&)> set;
  /// Nothing where it is not set and has no default.
  std::function<std::optional<Value>(const Settings&)> get;

  [[nodiscard]] bool is_address() const { return has_password != nullptr; }
  /// `[section] key`
  [[nodiscard]] std::string name() const { return "[" + section + "] " + key; }
  /// What the help says of its flag.
  [[nodiscard]] std::string help() const;
};

/// A value that was given somewhere.
struct Given {
  const Setting* setting;
  Value value;
  Origin origin;
};

/// All there are, in the order in which the example shows them.
const std::vector<Setting>& setting_table();

/// The setting of that name, such as `run.timezone`. \throws std::out_of_range for none.
const Setting& setting(std::string_view name);

/// Whether a text can be the id of a run or the name of who triggered it: 1 to 64 of
/// `A-Za-z0-9._:-`.
bool is_word(std::string_view text);
/// What is wrong with a text that is to be one.
std::string check_word(const std::string& text);

/// A whole number in decimal, and nothing else: 010 is ten.
std::optional<std::int64_t> parse_whole(const std::string& text);

/// What is wrong with a value, as the end of a sentence that begins with the name; empty where it
/// can be taken.
std::string problem_of(const Setting& setting, const Value& value);

/// The value that a text on the command line stands for; nothing where it is none of the type.
std::optional<Value> parse_value(const Setting& setting, const std::string& text);

/// A value as TOML.
std::string toml_text(const Value& value);

/// The candidate that differs from a word in the fewest letters, should it be few enough for a slip
/// of the pen.
std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates);

}  // namespace tickstock::cli
