#pragma once

#include <cstdint>

#include "io/wait.hpp"
#include "json/json.hpp"
#include "settings.hpp"
#include "show/screen.hpp"
#include "sync/questions.hpp"
#include "sync/report.hpp"
#include "tables/entries.hpp"
#include "tables/outbox.hpp"
#include "tables/runs.hpp"

// What the commands print: each as one JSON document, or as text for people.
namespace tickstock::cli {

class Log;

/// Returns the report of a run; as text, a line per changed universe with its members and reasons,
/// and a closing line.
std::string show_report(const sync::Report& report, int exit_status, int ipo_days,
                        const Output& output);

std::string show_run(const tables::RunView& view, const Output& output);
std::string show_history(const tables::History& history, const Output& output);

/// Returns changes of the journal; if a symbol was asked about, with what happened to it in each.
std::string show_changes(const tables::Changes& found, const Output& output);
/// Returns events; as JSON, one line per event.
std::string show_events(const std::vector<tables::StoredEvent>& events, const Output& output);
std::string show_universes(const std::vector<tables::EntrySummary>& entries, const Output& output);
std::string show_findings(const std::vector<sync::Finding>& findings, int exit_status,
                          const Output& output);

std::string show_members(const sync::MembersReport& report, const Output& output);

/// Returns why a symbol is in universes or not; as text, a few sentences per universe.
std::string show_explanation(const sync::ExplainReport& report, const Output& output);

/// Returns the results of a replay. \param files the configuration of each policy, empty for none
std::string show_replay(const sync::ReplayReport& report, const std::vector<std::string>& files,
                        const Output& output);

/// Returns the effective settings; as text, a configuration file that states their origins.
std::string show_config(const Settings& settings);
/// Returns a configuration file with every setting, commented out.
std::string config_example();

/// Returns a document for the failure of a command that has no report.
std::string json_failure(const Error& error, int exit_status);

/// Returns a one-line document with the schema version and these fields.
template <typename... Fields>
std::string document(const Fields&... fields) {
  return json::Writer(json::BadText::escape).object("schema_version", 1, fields...).text() + "\n";
}

/// Returns the color for what was added (+), removed (-) or moved (~).
inline Color color_of(char sign) {
  return sign == '+' ? Color::green : sign == '-' ? Color::red : Color::yellow;
}

/// What a printed text is about: what is, or what was changed, by a run or another command.
enum class Tells : unsigned char { what_is, what_was_done, what_a_run_did };

/// Writes to standard output. A reader that has closed it, as `head` does once it has enough, is a
/// failure only if it missed the report of a change. One that doesn't read is waited for as long as
/// the command may take. \throws Error (output) if writing fails, (interrupted) if a signal ended
/// the wait and nothing was changed.
void print(std::string_view text, io::Patience& patience, Tells tells = Tells::what_is);

// These write for node_exporter's textfile collector: a file in Prometheus' text format (version
// 0.0.4). A run replaces what it knows and keeps the rest, such as the time of the last success.
// They do nothing without a path, and never throw an Error: failures become warnings.

/// Writes how a run of this mode ended, when (seconds since 1970), and how long it took; with a
/// report, also what the run found and did as far as it got.
void record_run(const std::string& path, Log& log, Mode mode, int exit_status, double ended_at,
                double duration, const sync::Report* report = nullptr);

/// The longest time of a ping.
inline constexpr std::chrono::milliseconds ping_time{5'000};

/// Tells a dead man's switch how a run ended: with a GET of the URL after status 0 or 2, otherwise
/// a POST of the message to its `/fail`. Does nothing without a URL; failures become warnings.
/// \param time how long it may take; after a signal it ends within a second anyway
void ping(const std::string& url, Log& log, int exit_status, const std::string& message,
          std::chrono::milliseconds time = ping_time);

/// Writes how many events are pending in the outbox.
void record_pending(const std::string& path, Log& log, std::uint64_t events);

}  // namespace tickstock::cli
