// Runs while the program is built: puts a table of its commands and options into the template of a
// shell's completions.

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <fstream>
#include <iterator>

#include "options.hpp"

namespace {

/// A line for each option.
std::string rows_of(const CLI::App& app, const std::string& command) {
  std::string rows;
  for (const CLI::Option* option : app.get_options({})) {
    // With commas between them; what is given without an option has the name of its value.
    const std::string names = option->get_name(true, true);
    rows += fmt::format("\n{};{};{};{}", command, CLI::detail::find_and_replace(names, ",", " "),
                        option->get_expected_max() > 0 ? option->get_type_name() : "",
                        option->get_description());
  }
  return rows;
}

std::string table_of(const CLI::App& program) {
  std::string table = rows_of(program, "");
  for (const CLI::App* command : program.get_subcommands({})) {
    const std::string name = command->get_name();
    table += fmt::format("\n{};;;{}", name, command->get_description()) + rows_of(*command, name);
  }
  return table.substr(1);
}

}  // namespace

int main(int argc, char** argv) {
  std::ifstream file(argc == 2 ? argv[1] : "");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (text.empty()) {
    std::fputs("usage: print_completions TEMPLATE\n", stderr);
    return 64;
  }
  tickstock::cli::look_at_command_line([&text](const CLI::App& program) {
    // Between single quotes a shell takes everything as it is.
    const std::string quoted = CLI::detail::find_and_replace(table_of(program), "'", "'\\''");
    text = CLI::detail::find_and_replace(text, "@table@", "'" + quoted + "'");
  });
  return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 74 : 0;
}
