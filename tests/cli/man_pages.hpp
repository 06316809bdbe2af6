#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "process.hpp"

// What the tests of the man pages share: the pages, cut into their parts, and what the program says
// of itself.

namespace tickstock::test {

using Strings = std::set<std::string>;

inline const std::filesystem::path source_root = TICKSTOCK_SOURCE_DIR;

std::string read_file(const std::filesystem::path& path);

/// Every match of a group of a pattern, in order.
std::vector<std::string> matches(const std::string& text, const std::string& pattern,
                                 std::size_t group = 1);
Strings set_of(const std::vector<std::string>& list);
std::vector<std::string> words_of(const std::string& text);

/// One `.It` of a list: the rest of its line, and what stands below.
struct Item {
  std::string head, body;
};

/// A section (`.Sh`) or a part of one (`.Ss`).
struct Part {
  std::string section, heading, text;
  std::vector<Item> items;
};

/// A page as the build made it from its template, e.g. `tickstock-cache-sync.1`.
class ManPage {
 public:
  explicit ManPage(const std::string& name = "tickstock-cache.1");

  const std::string& text() const { return text_; }

  /// A section in mdoc, cut at its headings and items. It must be there.
  std::vector<Part> section(const std::string& name) const;

  /// The text of a section, with its lines joined.
  std::string section_text(const std::string& name) const;

  /// What a pattern finds in the heads of a section's items; it must find something in each.
  std::vector<std::string> heads(const std::string& section, const std::string& pattern) const;

  /// The literal blocks of a section, as they are shown.
  std::vector<std::string> blocks(const std::string& section) const;

 private:
  std::string name_, text_;
};

/// The names of all pages that have a template.
Strings all_pages();

/// The page of a command; the overview for "", the program without a command.
ManPage page_of(const std::string& command);

/// Runs the program beside servers that are not there: every command line that can be read ends
/// with 5.
ProcessResult run_alone(const std::vector<std::string>& arguments);

std::string help_of(const std::string& command);

/// The commands that `--help` lists.
Strings commands();

}  // namespace tickstock::test
