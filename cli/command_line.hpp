#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace tickstock::cli {

/// Shows all commands and options, as parse_command_line knows them, to `look`.
void look_at_command_line(const std::function<void(const CLI::App&)>& look);

}  // namespace tickstock::cli
