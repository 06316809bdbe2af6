#pragma once

#include <string>

namespace tickstock::cli {

/// What tells a shell to complete the command line of the program, made from its options.
/// \param shell bash, zsh or fish; nothing is returned for another one
std::string completions_for(const std::string& shell);

}  // namespace tickstock::cli
