#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>

#include "environment.hpp"
#include "settings.hpp"
#include "universe_table.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t longest_line = 4096;

[[noreturn]] void fail(const std::string& why, const ErrorDetails& details = {}) {
  throw Error(ErrorKind::config, why, details);
}

/// A key with a hundred thousand dots would make a table that deep, which toml++ destroys
/// recursively.
void refuse_long_lines(std::string_view text) {
  for (int line = 1; !text.empty(); ++line) {
    const std::size_t size = std::min(text.find('\n'), text.size());
    if (size > longest_line) {
      fail(fmt::format("line {} is longer than {} bytes", line, longest_line),
           {.hint = "Break it into several lines."});
    }
    text.remove_prefix(std::min(size + 1, text.size()));
  }
}

toml::table table_of(const std::string& text) {
  refuse_long_lines(text);
  try {
    return toml::parse(text);
  } catch (const toml::parse_error& error) {
    // The parser's message can repeat text of the file, such as a password.
    const auto line = error.source().begin.line;
    if (error.description().find("cannot redefine") != std::string_view::npos) {
      fail(fmt::format("line {} gives a key or section again", line),
           {.hint = "Remove one of them."});
    }
    if (error.description().find("not representable") != std::string_view::npos) {
      fail(fmt::format("line {} holds a number that is out of bounds", line),
           {.hint = "Write a smaller one."});
    }
    fail(fmt::format("line {} is not TOML", line),
         {.hint = "Check its quotes and brackets, and those before it."});
  }
}

const Setting& find(const std::string& section, const std::string& key, std::uint32_t line) {
  std::vector<std::string> names;
  // The other likely mistake is a correct key in the wrong section.
  std::optional<std::string> meant;
  for (const Setting& each : setting_table()) {
    if (each.name == section + "." + key) return each;
    names.push_back(each.title());
    if (each.key() == key && !meant) meant = each.title();
  }
  if (!meant) meant = nearest("[" + section + "] " + key, names);
  fail(fmt::format("line {}: there is no setting [{}] {}", line, section, key),
       {.object = fmt::format("[{}] {}", section, key),
        .hint = meant ? "Did you mean " + *meant + "?"
                      : "Run 'tickstock-cache config --example' for a list of the settings."});
}

void require_section(const std::string& name, std::uint32_t line) {
  std::vector<std::string> names;
  for (const Setting& each : setting_table()) names.push_back(each.section());
  if (std::ranges::count(names, name) > 0) return;
  const auto meant = nearest(name, names);
  fail(fmt::format("line {}: there is no section [{}]", line, name),
       {.object = fmt::format("[{}]", name),
        .hint = meant ? fmt::format("Did you mean [{}]?", *meant)
                      : "Run 'tickstock-cache config --example' for a list of the settings."});
}

/// Returns the value of a node. An empty list, which no setting takes, stands for every type that
/// no setting has.
Value value_of(const toml::node& node) {
  if (const auto text = node.value_exact<std::string>()) return *text;
  if (const auto number = node.value_exact<std::int64_t>()) return *number;
  if (const auto number = node.value_exact<double>()) return *number;
  if (const auto truth = node.value_exact<bool>()) return *truth;
  std::vector<std::string> texts;
  if (const toml::array* list = node.as_array(); list && list->is_homogeneous<std::string>()) {
    for (const toml::node& each : *list) texts.push_back(**each.as_string());
  }
  return texts;
}

Value take(const Setting& setting, const toml::node& node) {
  Value value = value_of(node);
  if (auto* text = std::get_if<std::string>(&value); text != nullptr && setting.is_address()) {
    *text = without_line_end(*text);
  }
  const auto* number = std::get_if<std::int64_t>(&value);
  if (number != nullptr && std::holds_alternative<double*>(setting.field)) {
    value = static_cast<double>(*number);
  }
  std::string hint;
  if (const std::string problem = problem_of(setting, value, &hint); !problem.empty()) {
    fail(fmt::format("line {}: {} {}", node.source().begin.line, setting.title(), problem),
         {.object = setting.title(), .hint = hint});
  }
  return value;
}

}  // namespace

bool Config::holds_password() const {
  return std::ranges::any_of(given, [](const Given& each) {
    return each.setting->is_address() &&
           each.setting->has_password(std::get<std::string>(each.value));
  });
}

Config parse_config(const std::string& text, const std::string& path) {
  Config config;
  const auto attempt = [&](const auto& step) {
    try {
      step();
    } catch (const Error& error) {
      if (!config.problem) {
        config.problem = error.as(ErrorKind::config).after("the configuration file " + path + ": ");
        if (error.object().empty()) config.problem = config.problem->about(path);
      }
    }
  };
  toml::table table;
  attempt([&] { table = table_of(text); });
  for (const auto& section : table) {
    const std::string name(section.first.str());
    const toml::table* keys = section.second.as_table();
    if (name == "universe") {
      attempt([&] { config.universes = read_universes(table); });
    } else if (section.second.is_array_of_tables()) {
      attempt([&] {
        const auto meant = nearest(name, {"universe"});
        fail(fmt::format("line {}: [[{}]] is in double brackets",
                         section.second.source().begin.line, name),
             {.object = name,
              .hint = meant ? "Did you mean [[universe]]?" : fmt::format("Write [{}].", name)});
      });
    } else if (keys == nullptr) {
      attempt([&] {
        fail("the key " + name + " is outside a section",
             {.object = name, .hint = "Write it below its section, such as [run]."});
      });
    } else {
      if (keys->empty()) attempt([&] { require_section(name, keys->source().begin.line); });
      for (const auto& key : *keys) {
        attempt([&] {
          const auto line = key.second.source().begin.line;
          const std::string word(key.first.str());
          const Setting& setting = find(name, word, line);
          config.given.push_back({&setting,
                                  take(setting, key.second),
                                  {Origin::Kind::file, fmt::format("{}:{}", path, line)}});
        });
      }
    }
  }
  return config;
}

Config read_config_file(const std::string& path) {
  Config config;
  try {
    const FileContent content = read_file(path);
    config = parse_config(content.text, path);
    if (config.holds_password()) require_private(content, path);
  } catch (const Error& error) {
    // A password that others may know is not used.
    std::erase_if(config.given, [](const Given& each) { return each.setting->is_address(); });
    config.problem = error;
  }
  return config;
}

}  // namespace tickstock::cli
