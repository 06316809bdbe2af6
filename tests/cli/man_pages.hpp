#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "process.hpp"

// Shared by the tests of the man pages: the pages, split into their parts, and what the program
// says about itself.

namespace tickstock::test {

using Strings = std::set<std::string>;

inline const std::filesystem::path source_root = TICKSTOCK_SOURCE_DIR;

std::string read_file(const std::filesystem::path& path);

/// Returns every match of a group of a pattern, in order.
std::vector<std::string> matches(const std::string& text, const std::string& pattern,
                                 std::size_t group = 1);
Strings set_of(const std::vector<std::string>& list);
std::vector<std::string> words_of(const std::string& text);

/// One `.It` of a list: the rest of its line, and the text below it.
struct Item {
  std::string head, body;
};

/// A section (`.Sh`) or a subsection (`.Ss`).
struct Part {
  std::string section, heading, text;
  std::vector<Item> items;
};

/// A page as the build made it from its template, e.g. `tickstock-cache-sync.1`.
class ManPage {
 public:
  explicit ManPage(const std::string& name = "tickstock-cache.1");

  const std::string& text() const { return text_; }

  /// Returns a section in mdoc, split at its headings and items. It must exist.
  std::vector<Part> section(const std::string& name) const;

  /// Returns the text of a section, with its lines joined.
  std::string section_text(const std::string& name) const;

  /// Returns the matches of a pattern in the heads of a section's items; each head must match.
  std::vector<std::string> heads(const std::string& section, const std::string& pattern) const;

  /// Returns the literal blocks of a section, as they are displayed.
  std::vector<std::string> blocks(const std::string& section) const;

 private:
  std::string name_, text_;
};

/// Returns the names of all pages that have a template.
Strings all_pages();

/// Returns the page of a command; for "" the overview, for the program without a command.
ManPage page_of(const std::string& command);

/// Runs the program with unreachable servers: every valid command line then ends with 5.
ProcessResult run_alone(const std::vector<std::string>& arguments);

std::string help_of(const std::string& command);

/// Returns the commands that `--help` lists.
Strings commands();

}  // namespace tickstock::test
