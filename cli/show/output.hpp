#pragma once

#include <cstdint>

#include "json/json.hpp"
#include "settings.hpp"
#include "show/screen.hpp"
#include "sync/check.hpp"
#include "sync/explain.hpp"
#include "sync/members.hpp"
#include "sync/replay.hpp"
#include "sync/report.hpp"
#include "tables/entries.hpp"
#include "tables/outbox.hpp"
#include "tables/runs.hpp"

// What the commands print: each as one JSON document, or as text for a person.
namespace tickstock::cli {

class Log;

/// The report of a run; as text a line per changed universe with its members and why, and one
/// closing line.
std::string show_report(const sync::Report& report, int exit_status, int ipo_days,
                        const Output& output);

std::string show_run(const tables::RunView& view, const Output& output);
/// \param format `text`, `json` or `csv`
std::string show_history(const tables::History& history, const std::string& format,
                         const Output& output);

/// The changes of the journal; where a symbol was asked for, what became of it in each.
std::string show_changes(const tables::Changes& found, const std::string& format,
                         const Output& output);
/// As JSON a line for each event.
std::string show_events(const std::vector<tables::StoredEvent>& events, const Output& output);
std::string show_universes(const std::vector<tables::EntrySummary>& entries, const Output& output);
std::string show_findings(const std::vector<sync::Finding>& findings, int exit_status,
                          const Output& output);

/// \param format `text`, `json` or `csv`
std::string show_members(const sync::MembersReport& report, const std::string& format,
                         const Output& output);

/// Why a symbol is in universes or not; as text a few sentences for each universe.
std::string show_explanation(const sync::ExplainReport& report, const Output& output);

/// What policies would have come to. \param files the configuration of each, empty for none
/// \param format `text`, `json` or `csv`, a line a night and universe
std::string show_replay(const sync::ReplayReport& report, const std::vector<std::string>& files,
                        const std::string& format, const Output& output);

/// The settings that hold; as text a configuration file that says where each comes from.
std::string show_config(const Settings& settings);
/// A configuration file with every setting, commented out.
std::string config_example();

/// A failure of a command that has no report, as a document.
std::string json_failure(const Error& error, int exit_status);

/// A document of one line with the version of its schema and these fields.
template <typename... Fields>
std::string document(const Fields&... fields) {
  return json::Writer(json::BadText::escape).object("schema_version", 1, fields...).text() + "\n";
}

/// The color of what came (+), went (-) or moved (~).
inline Color color_of(char sign) {
  return sign == '+' ? Color::green : sign == '-' ? Color::red : Color::yellow;
}

/// Whether the text that is printed tells of something that was changed.
enum class Tells : unsigned char { what_is, what_was_done };

/// Writes to standard output. A reader that is gone, as `head` goes once it has enough, is a
/// failure only where it missed what was done. \throws Error (output) when it can't be written.
void print(const std::string& text, Tells tells = Tells::what_is);

// What node_exporter's textfile collector reads: a file in Prometheus' text format (version 0.0.4).
// A run replaces what it knows and keeps the rest, such as the time of the last success. Each does
// nothing without a path, and never throws an Error: what goes wrong is a warning.

/// Writes how a run of this mode ended, seconds since 1970, and how long it took; with a report
/// what the run found and did, as far as it came.
void record_run(const std::string& path, Log& log, Mode mode, int exit_status, double ended_at,
                double duration, const sync::Report* report = nullptr);

/// Tells a dead-man switch how a run ended: a GET of the URL after status 0 or 2, else a POST
/// of the message to its `/fail`. Does nothing without a URL; what goes wrong is a warning.
void ping(const std::string& url, Log& log, int exit_status, const std::string& message);

/// Writes how many events wait in the outbox.
void record_pending(const std::string& path, Log& log, std::uint64_t events);

}  // namespace tickstock::cli
