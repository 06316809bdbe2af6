// Runs during the build: inserts a table of the program's commands and options into the template of
// a shell's completions, from standard input to standard output.

#include <iostream>
#include <iterator>
#include <string>

#include "options.hpp"

int main() {
  const std::string mark = "@table@";
  std::string text{std::istreambuf_iterator<char>(std::cin), {}};
  std::string table = tickstock::cli::completion_table();
  table.pop_back();  // the end of the last line
  text.replace(text.find(mark), mark.size(), tickstock::cli::shell_quoted(table));
  std::cout << text << std::flush;
  return std::cout ? 0 : 74;
}
