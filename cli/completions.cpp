#include "completions.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <vector>

#include "command_line.hpp"

namespace tickstock::cli {

namespace {

using Words = std::vector<std::string>;

struct OptionEntry {
  Words names;  ///< with their dashes
  std::string description;
  std::string value;  ///< what `--help` calls it; empty for a flag

  /// The words that the value is chosen from, where there are such.
  [[nodiscard]] Words choices() const {
    if (value.find('|') == std::string::npos) return {};
    return CLI::detail::split(value, '|');
  }
};

struct CommandEntry {
  std::string name;  ///< empty for the program itself
  std::string description;
  std::vector<OptionEntry> options;
  Words arguments;  ///< what is given without an option
};

CommandEntry entry_of(const CLI::App& app, std::string name) {
  CommandEntry entry{std::move(name), app.get_description(), {}, {}};
  for (const CLI::Option* option : app.get_options({})) {
    if (option->get_positional()) {
      entry.arguments.push_back(option->get_name(true));
      continue;
    }
    OptionEntry found{{}, option->get_description(), ""};
    for (const std::string& each : option->get_snames()) found.names.push_back("-" + each);
    for (const std::string& each : option->get_lnames()) found.names.push_back("--" + each);
    if (option->get_expected_max() > 0) found.value = option->get_type_name();
    entry.options.push_back(found);
  }
  return entry;
}

/// The program itself, and then its commands.
std::vector<CommandEntry> read_table() {
  std::vector<CommandEntry> table;
  look_at_command_line([&table](const CLI::App& app) {
    table.push_back(entry_of(app, ""));
    for (const CLI::App* command : app.get_subcommands({})) {
      if (!command->get_group().empty()) table.push_back(entry_of(*command, command->get_name()));
    }
  });
  return table;
}

Words all_names(const CommandEntry& command) {
  Words names;
  for (const OptionEntry& option : command.options)
    names.insert(names.end(), option.names.begin(), option.names.end());
  return names;
}

/// The options of the program itself that take a value: the word after one is no command.
std::string valued_before_command(const std::vector<CommandEntry>& table,
                                  std::string_view between) {
  Words names;
  for (const OptionEntry& option : table.front().options) {
    if (!option.value.empty()) names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return fmt::format("{}", fmt::join(names, between));
}

/// In single quotes for a shell, which takes everything between them as it is.
std::string shell_quoted(const std::string& text) {
  std::string result = "'";
  for (const char c : text) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

/// The names of all options, by what completes their value: words, "FILE", or nothing known.
std::map<std::string, Words> names_by_value(const std::vector<CommandEntry>& table) {
  std::map<std::string, std::string> value_of;
  for (const CommandEntry& command : table) {
    for (const OptionEntry& option : command.options) {
      if (option.value.empty()) continue;
      const bool known = option.value == "FILE" || !option.choices().empty();
      for (const std::string& name : option.names) value_of[name] = known ? option.value : "";
    }
  }
  std::map<std::string, Words> names;
  for (const auto& [name, value] : value_of) names[value].push_back(name);
  return names;
}

std::string for_bash(const std::vector<CommandEntry>& table) {
  Words commands;
  std::string options;
  for (const CommandEntry& command : table) {
    if (!command.name.empty()) commands.push_back(command.name);
    options += fmt::format("    {}) options='{}' ;;\n", command.name.empty() ? "''" : command.name,
                           fmt::join(all_names(command), " "));
  }
  std::string values;
  for (const auto& [value, names] : names_by_value(table)) {
    const Words choices = OptionEntry{{}, "", value}.choices();
    std::string action;
    if (value == "FILE") {
      action = "compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); ";
    } else if (!choices.empty()) {
      action = fmt::format("mapfile -t COMPREPLY < <(compgen -W '{}' -- \"$cur\"); ",
                           fmt::join(choices, " "));
    }
    values += fmt::format("    {}) {}return ;;\n", fmt::join(names, " | "), action);
  }
  return fmt::format(R"(# bash completion for tickstock-cache

_tickstock_cache() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD - 1]}} command='' options='' i
  COMPREPLY=()
  # bash takes --option=value apart at the equals sign.
  if [[ $cur == '=' ]]; then
    cur=''
  elif [[ $prev == '=' ]]; then
    prev=${{COMP_WORDS[COMP_CWORD - 2]}}
  fi
  for ((i = 1; i < COMP_CWORD; ++i)); do
    case ${{COMP_WORDS[i]}} in
      {}) [[ ${{COMP_WORDS[i + 1]}} != '=' ]] || ((++i)); ((++i)) ;;
      -*) ;;
      *) command=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  case $prev in
{}  esac
  case $command in
{}  esac
  if [[ -z $command && $cur != -* ]]; then
    options='{}'
  elif [[ $cur != -* ]]; then
    return
  fi
  mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
}}
complete -F _tickstock_cache tickstock-cache
)",
                     valued_before_command(table, " | "), values, options,
                     fmt::join(commands, " "));
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

std::string zsh_arguments(const CommandEntry& command, const std::string& indent) {
  std::string text;
  for (const OptionEntry& option : command.options) {
    const Words choices = option.choices();
    const std::string action = option.value == "FILE" ? "_files"
                               : choices.empty()      ? " "
                                                 : fmt::format("({})", fmt::join(choices, " "));
    for (const std::string& name : option.names) {
      const bool valued = !option.value.empty();
      const std::string spec =
          fmt::format("({}){}{}[{}]{}", fmt::join(option.names, " "), name,
                      !valued                  ? ""
                      : name.starts_with("--") ? "="
                                               : "+",
                      escaped_for_zsh(option.description),
                      valued ? fmt::format(":{}:{}", escaped_for_zsh(option.value), action) : "");
      text += fmt::format(" \\\n{}{}", indent, shell_quoted(spec));
    }
  }
  for (const std::string& each : command.arguments)
    text += fmt::format(" \\\n{}'::{}: '", indent, each);
  return text;
}

std::string for_zsh(const std::vector<CommandEntry>& table) {
  std::string commands;
  std::string options;
  for (const CommandEntry& command : table) {
    if (command.name.empty()) continue;
    commands += fmt::format("        {}\n", shell_quoted(command.name + ":" + command.description));
    options += fmt::format("        {})\n          _arguments{}\n          ;;\n", command.name,
                           zsh_arguments(command, "            "));
  }
  return fmt::format(R"(#compdef tickstock-cache

_tickstock_cache() {{
  local curcontext=$curcontext state line
  local -a commands
  typeset -A opt_args
  _arguments -C{} \
    '1: :->command' '*:: :->option'
  case $state in
    command)
      commands=(
{}      )
      _describe command commands
      ;;
    option)
      case $line[1] in
{}      esac
      ;;
  esac
}}

_tickstock_cache "$@"
)",
                     zsh_arguments(table.front(), "    "), commands, options);
}

std::string fish_option(const OptionEntry& option, const std::string& command) {
  std::string line = fmt::format("complete -c tickstock-cache -n '{}'", command);
  for (const std::string& name : option.names)
    line += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  const Words choices = option.choices();
  if (option.value == "FILE") {
    line += " -r -F";
  } else if (!choices.empty()) {
    line += fmt::format(" -x -a '{}'", fmt::join(choices, " "));
  } else if (!option.value.empty()) {
    line += " -x";
  }
  return line + " -d " + shell_quoted(option.description) + "\n";
}

std::string for_fish(const std::vector<CommandEntry>& table) {
  std::string lines;
  for (const CommandEntry& command : table) {
    if (!command.name.empty()) {
      lines += fmt::format("complete -c tickstock-cache -n __tickstock_cache_command -a {} -d {}\n",
                           command.name, shell_quoted(command.description));
    }
    for (const OptionEntry& option : command.options) {
      lines +=
          fish_option(option, command.name.empty() ? "__tickstock_cache_command"
                                                   : "__tickstock_cache_command " + command.name);
    }
  }
  return fmt::format(R"(# fish completion for tickstock-cache

# Whether the command is this one; without an argument, whether there is none yet.
function __tickstock_cache_command
    set -l words (commandline -opc)
    set -e words[1]
    while set -q words[1]
        switch $words[1]
            case {}
                set -e words[1]
            case '-*'
            case '*'
                contains -- $words[1] $argv
                return
        end
        set -e words[1]
    end
    not set -q argv[1]
end

complete -c tickstock-cache -f
{})",
                     valued_before_command(table, " "), lines);
}

}  // namespace

std::string completions_for(const std::string& shell) {
  if (shell == "bash") return for_bash(read_table());
  if (shell == "zsh") return for_zsh(read_table());
  if (shell == "fish") return for_fish(read_table());
  return "";
}

}  // namespace tickstock::cli
