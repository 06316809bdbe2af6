#pragma once

#include <optional>
#include <string>
#include <vector>

#include "show/terminal.hpp"
#include "sync/check.hpp"
#include "sync/report.hpp"
#include "tables/changes.hpp"
#include "tables/entries.hpp"
#include "tables/runs.hpp"

namespace tickstock::cli {

struct Settings;

/// What a text report names.
struct TextOptions {
  bool full = false;  ///< every member, not the first ten of each kind
  int ipo_days = 30;
  Screen screen;
};

/// The report for a person: a line per changed universe with its members and why, and one closing
/// line.
std::string text_report(const sync::Report& report, const TextOptions& options);

/// The report as one JSON document.
std::string json_report(const sync::Report& report, int exit_status);

std::string text_status(const tables::RunView& view, const Screen& screen);
std::string json_status(const tables::RunView& view);

std::string text_history(const tables::History& history, const Screen& screen);
std::string json_history(const tables::History& history, std::int64_t limit, std::int64_t offset);

/// The changes of the journal; with `symbol` what became of it in each.
std::string text_changes(const tables::Changes& found, const std::optional<std::string>& symbol,
                         const Screen& screen);
std::string json_changes(const tables::Changes& found, const std::optional<std::string>& symbol,
                         std::int64_t limit, std::int64_t offset);

std::string text_universes(const std::vector<tables::EntrySummary>& entries, const Screen& screen);
std::string json_universes(const std::vector<tables::EntrySummary>& entries, int exit_status);

std::string text_findings(const std::vector<sync::Finding>& findings, const Screen& screen);
std::string json_findings(const std::vector<sync::Finding>& findings, int exit_status);

/// The settings that hold, as a configuration file that says where each comes from.
std::string text_config(const Settings& settings);
std::string json_config(const Settings& settings);
/// A configuration file with every setting, commented out.
std::string config_example();

/// A failure of a command that has no report, as a document.
std::string json_failure(const std::string& message, int exit_status);

/// Whether the text that is printed tells of something that was changed.
enum class Tells : unsigned char { what_is, what_was_done };

/// Writes to standard output. A reader that is gone, as `head` goes once it has enough, is a
/// failure only where it missed what was done. \throws Error (output) when it can't be written.
void print(const std::string& text, Tells tells = Tells::what_is);

}  // namespace tickstock::cli
