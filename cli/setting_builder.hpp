#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <functional>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "setting.hpp"
#include "settings.hpp"

/// Makes a Setting out of the field that it sets. Each takes section, key, meaning, and a function
/// from the settings, constant or not, to the field.
namespace tickstock::cli::setting_builder {

inline constexpr std::int64_t longest_time = 86'400;

// How a value gets into the field of a setting, and out of it again.

template <typename Field>
void assign(Field& field, const Value& value) {
  if constexpr (std::same_as<Field, std::chrono::milliseconds>) {
    field = std::chrono::seconds(std::get<std::int64_t>(value));
  } else if constexpr (std::same_as<Field, bool> || std::same_as<Field, double> ||
                       std::same_as<Field, std::string> ||
                       std::same_as<Field, std::vector<std::string>>) {
    field = std::get<Field>(value);
  } else if constexpr (std::integral<Field>) {
    field = static_cast<Field>(std::get<std::int64_t>(value));
  } else {
    assign(field.emplace(), value);
  }
}

template <typename Field>
std::optional<Value> value_of(const Field& field) {
  if constexpr (std::same_as<Field, std::chrono::milliseconds>) {
    return std::chrono::duration_cast<std::chrono::seconds>(field).count();
  } else if constexpr (std::integral<Field> && !std::same_as<Field, bool>) {
    return static_cast<std::int64_t>(field);
  } else if constexpr (std::constructible_from<Value, Field>) {
    return Value(field);
  } else {
    return field ? value_of(*field) : std::nullopt;
  }
}

template <typename Access>
Setting make(std::string section, std::string key, Setting::Type type, std::string meaning,
             Access access) {
  Setting setting;
  setting.section = std::move(section);
  setting.key = std::move(key);
  setting.type = type;
  setting.meaning = std::move(meaning);
  setting.set = [access](Settings& settings, const Value& value) {
    assign(*access(settings), value);
  };
  setting.get = [access](const Settings& settings) { return value_of(*access(settings)); };
  return setting;
}

template <typename Access>
Setting text(std::string section, std::string key, std::string meaning, Access access,
             std::function<std::string(const std::string&)> check = {}) {
  Setting setting =
      make(std::move(section), std::move(key), Setting::Type::text, std::move(meaning), access);
  setting.check = std::move(check);
  return setting;
}

template <typename Access>
Setting whole(std::string section, std::string key, std::int64_t lowest, std::int64_t highest,
              std::string meaning, Access access) {
  Setting setting =
      make(std::move(section), std::move(key), Setting::Type::whole, std::move(meaning), access);
  setting.lowest = lowest;
  setting.highest = highest;
  return setting;
}

template <typename Access>
Setting seconds(std::string section, std::string key, std::string meaning, Access access) {
  return whole(std::move(section), std::move(key), 1, longest_time, std::move(meaning), access);
}

template <typename Access>
Setting percent(std::string key, std::string meaning, Access access) {
  return make("guards", std::move(key), Setting::Type::percent, std::move(meaning), access);
}

template <typename Access>
Setting boolean(std::string section, std::string key, std::string meaning, Access access) {
  return make(std::move(section), std::move(key), Setting::Type::boolean, std::move(meaning),
              access);
}

/// One of some words, which stand in the order of the values of an enumeration.
template <typename Access>
Setting choice(std::string section, std::string key, const std::vector<std::string>& choices,
               std::string meaning, Access access) {
  Setting setting;
  setting.section = std::move(section);
  setting.key = std::move(key);
  setting.type = Setting::Type::choice;
  setting.meaning = std::move(meaning);
  setting.choices = choices;
  setting.set = [access, choices](Settings& settings, const Value& value) {
    auto* const field = access(settings);
    const auto found = std::find(choices.begin(), choices.end(), std::get<std::string>(value));
    *field =
        static_cast<std::remove_pointer_t<decltype(access(settings))>>(found - choices.begin());
  };
  setting.get = [access, choices](const Settings& settings) {
    return Value(choices[static_cast<std::size_t>(*access(settings))]);
  };
  return setting;
}

/// Some texts, each of which passes the check.
template <typename Access>
Setting list(std::string section, std::string key, std::string meaning, Access access,
             std::function<std::string(const std::string&)> check) {
  Setting setting =
      make(std::move(section), std::move(key), Setting::Type::list, std::move(meaning), access);
  setting.check = std::move(check);
  return setting;
}

/// The same setting with a value for the example.
inline Setting such_as(Setting setting, Value value) {
  setting.example = std::move(value);
  return setting;
}

/// The same setting with a flag that takes a value.
inline Setting with_flag(Setting setting, std::string flag, std::string type) {
  setting.flag = std::move(flag);
  setting.flag_type = std::move(type);
  return setting;
}

/// The same setting with a flag that sets it to true, or to false.
inline Setting with_switch(Setting setting, std::string flag, bool value) {
  setting.flag = std::move(flag);
  setting.flag_value = value;
  return setting;
}

}  // namespace tickstock::cli::setting_builder
