// Runs while the program is built: puts a table of its commands and options into the template of a
// shell's completions.

#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "options.hpp"

int main(int argc, char** argv) {
  std::ifstream file(argc == 2 ? argv[1] : "");
  std::string text{std::istreambuf_iterator<char>(file), {}};
  const std::string mark = "@table@";
  const std::size_t place = text.find(mark);
  if (place == std::string::npos) {
    std::fputs("usage: print_completions TEMPLATE\n", stderr);
    return 64;
  }
  // Between single quotes a shell takes everything as it is.
  std::string quoted;
  for (const char c : tickstock::cli::completion_table()) {
    quoted += c == '\'' ? "'\\''" : std::string(1, c);
  }
  quoted.pop_back();  // the end of the last line
  text.replace(place, mark.size(), "'" + quoted + "'");
  return std::fputs(text.c_str(), stdout) < 0 || std::fflush(stdout) != 0 ? 74 : 0;
}
