#include <cstdio>
#include <string>

#include "completions.hpp"

// Runs while the program is built: prints the completions for a shell.
int main(int argc, char** argv) {
  const std::string text = argc == 2 ? tickstock::cli::completions_for(argv[1]) : "";
  if (text.empty()) {
    std::fputs("usage: print_completions bash|zsh|fish\n", stderr);
    return 64;
  }
  return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 74 : 0;
}
