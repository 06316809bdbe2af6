// What `config` prints.

#include <fmt/format.h>

#include "json/json.hpp"
#include "settings.hpp"
#include "show/output.hpp"
#include "show/printable.hpp"
#include "version.hpp"

namespace tickstock::cli {

namespace {

constexpr const char* example_universes = R"(
# Universes besides the ten; see tickstock-cache-universes(7). Without them sector and theme entries
# only lose members. Remove the # to keep one universe for each sector, and its ten largest.

#[[universe]]
#name = "sector_{sector}"
#each = "sector"
#type = "sector"

#[[universe]]
#name = "top_10_{sector}"
#each = "sector"
#type = "sector_leader"
#first = 10
)";

/// How wide lines may get before what follows a value moves on.
constexpr std::size_t widest_value = 40;

/// Where a value comes from, in words.
std::string words_of(const Origin& origin) {
  return origin.kind == Origin::Kind::fallback ? "default" : origin.name;
}

std::string_view name_of(Origin::Kind kind) {
  switch (kind) {
    case Origin::Kind::flag: return "flag";
    case Origin::Kind::environment: return "environment";
    case Origin::Kind::file: return "file";
    case Origin::Kind::fallback: return "default";
  }
  return "default";
}

struct WriteValue {
  json::Writer& json;

  void operator()(bool value) const { json.boolean(value); }
  void operator()(std::int64_t value) const { json.number(value); }
  void operator()(double value) const { json.real(value); }
  void operator()(const std::string& value) const { json.string(value); }
  void operator()(const std::vector<std::string>& values) const {
    json.begin_array();
    for (const std::string& each : values) json.string(each);
    json.end_array();
  }
};

/// The first line: which file was read.
std::string title_of(const Settings& settings) {
  if (!settings.config_file.empty()) return "# " + printable(settings.config_file) + "\n";
  if (settings.missing_config_file.empty()) return "# no configuration file\n";
  return "# no configuration file: " + printable(settings.missing_config_file) +
         " does not exist\n";
}

/// What can be given instead of the key: `--lock-wait`, `DATABASE_URL`.
std::string other_ways(const Setting& setting) {
  std::string ways = setting.flag;
  if (setting.is_address()) ways += ", " + setting.flag + "-file";
  if (!setting.variable.empty()) ways += ", " + setting.variable;
  return ways;
}

}  // namespace

std::string text_config(const Settings& settings) {
  std::string text = title_of(settings);
  std::string section;
  for (const Setting& each : setting_table()) {
    if (each.section != section) text += "\n[" + (section = each.section) + "]\n";
    const std::optional<Value> value = each.get(settings);
    const std::string shown = value ? each.key + " = " + toml_text(*value) : "# " + each.key;
    text += fmt::format("{:<{}}  # {}\n", printable(shown), widest_value,
                        value ? printable(words_of(settings.origin(each))) : "not set");
  }
  return text + settings.universes_toml;
}

std::string json_config(const Settings& settings) {
  json::Writer json(json::BadText::escape);
  json.begin_object();
  json.key("schema_version").number(1);
  json.key("exit_code").number(0);
  json.key("success").boolean(true);
  json.key("config_file").text_or_null(settings.config_file);
  json.key("settings").begin_array();
  for (const Setting& each : setting_table()) {
    const std::optional<Value> value = each.get(settings);
    json.begin_object();
    json.key("section").string(each.section);
    json.key("key").string(each.key);
    json.key("value");
    if (value) {
      std::visit(WriteValue{json}, *value);
    } else {
      json.null();
    }
    json.key("origin").string(name_of(settings.origin(each).kind));
    json.key("given_by").text_or_null(settings.origin(each).name);
    json.end_object();
  }
  json.end_array();
  if (!settings.universes_json.empty()) json.key("universes").raw(settings.universes_json);
  json.end_object();
  return json.text() + "\n";
}

std::string config_example() {
  const Settings defaults;
  std::string text =
      "# Configuration of tickstock-cache; see tickstock-cache.toml(5).\n"
      "#\n"
      "# Everything in it is optional. What is commented out shows the default, or an example "
      "where\n"
      "# there is none. A flag counts more than the environment, and that more than this file; "
      "what\n"
      "# holds, and why, is shown by: tickstock-cache config\n"
      "#\n"
      "# The file is named by --config or TICKSTOCK_CACHE_CONFIG. One with a password must be its\n"
      "# owner's alone to read: chmod 600.\n";
  if (*default_config_file != '\0') {
    text += fmt::format("# Where neither is given, {} is read.\n", default_config_file);
  }
  std::string section;
  for (const Setting& each : setting_table()) {
    if (each.section != section) text += "\n[" + (section = each.section) + "]\n";
    const std::string ways = other_ways(each);
    text += "\n# " + each.meaning + "." + (ways.empty() ? "" : " Also: " + ways) + "\n";
    const std::optional<Value> value = each.example ? each.example : each.get(defaults);
    text += "#" + each.key + " = " + toml_text(*value) + "\n";
  }
  return text + example_universes;
}

}  // namespace tickstock::cli
