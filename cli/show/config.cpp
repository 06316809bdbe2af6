// What `config` prints.

#include <fmt/format.h>

#include <array>

#include "show/output.hpp"

namespace tickstock::cli {

namespace {

/// How wide lines may get before what follows a value moves on.
constexpr std::size_t widest_value = 40;

/// The first line: which file was read.
std::string title_of(const Settings& settings) {
  if (!settings.config_file.empty()) return "# " + printable(settings.config_file) + "\n";
  const std::string& missing = settings.missing_config_file;
  return "# no configuration file" +
         (missing.empty() ? "\n" : ": " + printable(missing) + " does not exist\n");
}

/// What can be given instead of the key: `--lock-wait`, `DATABASE_URL`.
std::string other_ways(const Setting& setting) {
  std::string ways = setting.flag;
  if (setting.is_address()) ways += ", " + setting.flag + "-file, " + setting.variable();
  return ways;
}

}  // namespace

std::string show_config(const Settings& settings) {
  Settings shown = settings;
  if (settings.output.json()) {
    constexpr std::array<std::string_view, 4> kinds{"default", "file", "environment", "flag"};
    const auto write_setting = [&](json::Writer& json, const Setting& each) {
      const Origin origin = settings.origin(each);
      json.object("section", each.section(), "key", each.key(), "value", each.value(), "origin",
                  kinds[static_cast<std::size_t>(origin.kind)], "given_by",
                  json::null_if_empty(origin.name));
    };
    return document("exit_code", 0, "success", true, "config_file",
                    json::null_if_empty(settings.config_file), "settings",
                    json::list(rows_of(shown), write_setting), [&](json::Writer& json) {
                      const std::string& universes = settings.declared.json;
                      if (!universes.empty()) json.put("universes", json::Raw{universes});
                    });
  }
  std::string text = title_of(settings);
  std::string section;
  for (const Setting& each : rows_of(shown)) {
    if (each.section() != section) text += "\n[" + (section = each.section()) + "]\n";
    const std::optional<Value> value = each.value();
    const Origin origin = settings.origin(each);
    const std::string from = origin.kind == Origin::Kind::fallback ? "default" : origin.name;
    text +=
        fmt::format("{:<{}}  # {}\n",
                    printable(value ? each.key() + " = " + toml_text(*value) : "# " + each.key()),
                    widest_value, value ? printable(from) : "not set");
  }
  return text + settings.declared.toml;
}

std::string config_example() {
  std::string text = R"(# Configuration of tickstock-cache; see tickstock-cache.toml(5).
#
# Everything in it is optional. What is commented out shows the default, or an example where
# there is none. A flag counts more than the environment, and that more than this file; what
# holds, and why, is shown by: tickstock-cache config
#
# The file is named by --config or TICKSTOCK_CACHE_CONFIG. One with a password must be its
# owner's alone to read: chmod 600.
)";
  if (*default_config_file != '\0') {
    text += fmt::format("# Where neither is given, {} is read.\n", default_config_file);
  }
  std::string section;
  for (const Setting& each : setting_table()) {
    if (each.section() != section) text += "\n[" + (section = each.section()) + "]\n";
    const std::string ways = other_ways(each);
    text += "\n# " + each.meaning + "." + (ways.empty() ? "" : " Also: " + ways) + "\n";
    const std::optional<Value> value = each.example ? each.example : each.value();
    text += "#" + each.key() + " = " + toml_text(*value) + "\n";
  }
  return text + R"(
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
}

}  // namespace tickstock::cli
