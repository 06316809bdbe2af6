// Runs while the program is built: fills the template of a shell's completions with the commands
// and options of the program.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "options.hpp"

namespace {

using Words = std::vector<std::string>;
/// The lines that stand in a template as `@name@`.
using Fields = std::map<std::string, Words>;

std::string joined(const Words& words, std::string_view between) {
  return fmt::format("{}", fmt::join(words, between));
}

/// The names of an option with their dashes; none for what is given without.
Words names_of(const CLI::Option& option) {
  Words names;
  for (const std::string& each : option.get_snames()) names.push_back("-" + each);
  for (const std::string& each : option.get_lnames()) names.push_back("--" + each);
  return names;
}

/// What `--help` calls the value of an option; empty for a flag.
std::string value_of(const CLI::Option& option) {
  return option.get_expected_max() > 0 ? option.get_type_name() : "";
}

/// The words that a value is chosen from, where there are such.
Words choices_of(const std::string& value) {
  return value.find('|') == std::string::npos ? Words() : CLI::detail::split(value, '|');
}

/// The program itself, and then its commands.
std::vector<std::pair<std::string, const CLI::App*>> commands_of(const CLI::App& program) {
  std::vector<std::pair<std::string, const CLI::App*>> commands{{"", &program}};
  for (const CLI::App* each : program.get_subcommands({})) {
    commands.emplace_back(each->get_name(), each);
  }
  return commands;
}

/// The options of the program itself that take a value: the word after one is no command.
std::string valued_before_command(const CLI::App& program, std::string_view between) {
  Words names;
  for (const CLI::Option* option : program.get_options({})) {
    const Words more = value_of(*option).empty() ? Words() : names_of(*option);
    names.insert(names.end(), more.begin(), more.end());
  }
  return joined(names, between);
}

/// In single quotes for a shell, which takes everything between them as it is.
std::string shell_quoted(const std::string& text) {
  return "'" + CLI::detail::find_and_replace(text, "'", "'\\''") + "'";
}

Fields for_bash(const CLI::App& program) {
  Words commands;
  Fields fields{{"valued", {valued_before_command(program, " | ")}}};
  std::map<std::string, std::string> value_of_name;
  for (const auto& [name, app] : commands_of(program)) {
    if (!name.empty()) commands.push_back(name);
    Words all;
    for (const CLI::Option* option : app->get_options({})) {
      const std::string value = value_of(*option);
      const bool known = value == "FILE" || !choices_of(value).empty();
      for (const std::string& each : names_of(*option)) {
        all.push_back(each);
        if (!value.empty()) value_of_name[each] = known ? value : "";
      }
    }
    fields["options"].push_back(
        fmt::format("    {}) options='{}' ;;", name.empty() ? "''" : name, joined(all, " ")));
  }
  fields["commands"] = {joined(commands, " ")};
  std::map<std::string, Words> names_by_value;
  for (const auto& [name, value] : value_of_name) names_by_value[value].push_back(name);
  for (const auto& [value, names] : names_by_value) {
    std::string action;
    if (value == "FILE") {
      action = "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); ";
    } else if (!value.empty()) {
      action = fmt::format("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$cur\"); ",
                           joined(choices_of(value), " "));
    }
    fields["values"].push_back(fmt::format("    {}) {}return ;;", joined(names, " | "), action));
  }
  return fields;
}

/// What stands in a specification of zsh's _arguments must not look like a part of it.
std::string escaped_for_zsh(const std::string& text) {
  std::string result;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') result += '\\';
    result += c;
  }
  return result;
}

std::string zsh_arguments(const CLI::App& app, const std::string& indent) {
  std::string text;
  std::string unnamed;
  for (const CLI::Option* option : app.get_options({})) {
    const std::string value = value_of(*option);
    const Words choices = choices_of(value);
    const std::string action = value == "FILE"   ? "_files"
                               : choices.empty() ? " "
                                                 : "(" + joined(choices, " ") + ")";
    const std::string takes =
        value.empty() ? "" : fmt::format(":{}:{}", escaped_for_zsh(value), action);
    for (const std::string& name : names_of(*option)) {
      const std::string_view sign = value.empty() ? "" : name.starts_with("--") ? "=" : "+";
      const std::string spec = fmt::format("({}){}{}[{}]{}", joined(names_of(*option), " "), name,
                                           sign, escaped_for_zsh(option->get_description()), takes);
      text += fmt::format(" \\\n{}{}", indent, shell_quoted(spec));
    }
    if (option->get_positional()) {
      unnamed += fmt::format(" \\\n{}'::{}: '", indent, option->get_name(true));
    }
  }
  return text + unnamed;
}

Fields for_zsh(const CLI::App& program) {
  Fields fields{{"arguments", {zsh_arguments(program, "    ")}}};
  for (const CLI::App* app : program.get_subcommands({})) {
    const std::string name = app->get_name();
    fields["commands"].push_back("        " + shell_quoted(name + ":" + app->get_description()));
    fields["options"].push_back(fmt::format("        {})\n          _arguments{}\n          ;;",
                                            name, zsh_arguments(*app, "            ")));
  }
  return fields;
}

std::string fish_option(const CLI::Option& option, const std::string& condition) {
  std::string line = fmt::format("complete -c tickstock-cache -n '{}'", condition);
  for (const std::string& name : names_of(option))
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  const std::string value = value_of(option);
  if (value == "FILE") {
    line += " -r -F";
  } else if (!choices_of(value).empty()) {
    line += fmt::format(" -x -a '{}'", joined(choices_of(value), " "));
  } else if (!value.empty()) {
    line += " -x";
  }
  return line + " -d " + shell_quoted(option.get_description());
}

Fields for_fish(const CLI::App& program) {
  Fields fields{{"valued", {valued_before_command(program, " ")}}};
  for (const auto& [name, app] : commands_of(program)) {
    std::string condition = "__tickstock_cache_command";
    if (!name.empty()) {
      fields["lines"].push_back(fmt::format("complete -c tickstock-cache -n {} -a {} -d {}",
                                            condition, name, shell_quoted(app->get_description())));
      condition += " " + name;
    }
    for (const CLI::Option* option : app->get_options({})) {
      if (!option->get_positional()) fields["lines"].push_back(fish_option(*option, condition));
    }
  }
  return fields;
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, Fields (*)(const CLI::App&)> shells{
      {"bash", for_bash}, {"zsh", for_zsh}, {"fish", for_fish}};
  if (argc != 3 || !shells.contains(argv[1])) {
    std::fputs("usage: print_completions bash|zsh|fish TEMPLATE\n", stderr);
    return 64;
  }
  std::ifstream file(argv[2]);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  tickstock::cli::look_at_command_line([&](const CLI::App& program) {
    for (const auto& [name, lines] : shells.at(argv[1])(program)) {
      text = CLI::detail::find_and_replace(text, "@" + name + "@", joined(lines, "\n"));
    }
  });
  return text.empty() || std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 74 : 0;
}
