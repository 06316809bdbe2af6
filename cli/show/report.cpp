// What a run prints.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <sstream>
#include <utility>

#include "domain/text.hpp"
#include "exit_status.hpp"
#include "rules/reason.hpp"
#include "show/output.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t names_shown = 10;

/// Returns the array of their names, as a JSON value.
auto names_of(const std::vector<Placement>& members, const Market& market) {
  return json::list(members, [&market](json::Writer& json, const Placement& member) {
    json.string(market.name(member.symbol));
  });
}

void write_metadata(json::Writer& json, const Change& change, Task task, const Market& market) {
  const EntryWrite& write = *change.write;
  const auto removed = names_of(write.diff.removed, market);
  if (task == Task::delisted) {
    json.object("removed_count", write.diff.removed.size(), "removed_symbols", removed);
  } else if (task == Task::ipo && change.symbol) {
    const auto listing = market.find(*change.symbol);
    const std::string listed = listing && listing->listed ? to_string(*listing->listed) : "";
    json.object("listing_date", json::null_if_empty(listed), "sector",
                market.company(*change.symbol).sector);
  } else {
    json.object("count", write.after->members.size(), "previous_count", write.previous_count(),
                "added_symbols", names_of(write.diff.added, market), "removed_symbols", removed,
                "moved", write.diff.moved.size());
  }
}

void write_task_results(json::Writer& json, const sync::Report& report) {
  json.begin_object();
  for (const sync::TaskReport& task : report.tasks) {
    const auto write_change = [&](json::Writer& each, const Change& change) {
      const Market& market = report.snapshot->market;
      each.object(
          "change_type", change.change_type, "universe", change.universe, "symbol",
          json::null_if_empty(change.symbol ? market.name(*change.symbol) : ""), "action",
          change.action, "reason", change.reason, "timestamp", report.written_at, "metadata",
          [&](json::Writer& metadata) { write_metadata(metadata, change, task.task, market); });
    };
    json.put(to_string(task.task),
             json::object("status", task.error ? "failed" : "success", "changes_count",
                          task.changes.size(), "changes", json::list(task.changes, write_change),
                          "error", task.failure()));
  }
  json.end_object();
}

void write_waiting(json::Writer& json, const sync::Report& report) {
  if (!report.snapshot) return;
  const sync::Snapshot& snapshot = *report.snapshot;
  const Plan& plan = snapshot.plan;
  // An undo follows no rule, but restores who waited.
  const bool changes_waiting = !plan.waited.empty() || !plan.waiting.empty();
  if (report.mode == Mode::undo ? !changes_waiting : !lets_wait(plan.universes)) return;
  json.put("waiting", json::list(plan.waiting, [&](json::Writer& each, const Waiting& waiting) {
             const Universe* rule = plan.find(waiting.universe);
             each.begin_object();
             each.put("group", waiting.group, "symbol", snapshot.market.name(waiting.symbol),
                      "universe", waiting.universe, "nights", waiting.nights);
             if (rule != nullptr) {
               each.put("of", rule->stability.nights, "reason",
                        waiting_reason(*rule, snapshot.market, waiting));
             }
             each.end_object();
           }));
}

void write_market_caps(json::Writer& json, const sync::Report& report) {
  if (!report.snapshot) return void(json.value(std::nullopt));
  const Market& market = report.snapshot->market;
  json.object("from_prices", market.caps_from_prices(), "from_column",
              market.ranking().size() - market.caps_from_prices());
}

void write_report(json::Writer& json, const sync::Report& report, int exit_status) {
  const std::vector<Error> errors = report.errors();
  const Error* const first = errors.empty() ? nullptr : &errors.front();
  const std::string as_of = report.as_of ? to_string(*report.as_of) : "";
  json.put("exit_code", exit_status, "success", is_success(exit_status), "run_id",
           json::null_if_empty(report.run_id), "mode", to_string(report.mode), "dry_run",
           report.dry_run, "as_of", json::null_if_empty(as_of));
  json.put("status", application_status(report.status), "sync_status", to_string(report.status),
           "sync_start", report.started_at, "sync_end", report.finished_at, "duration_seconds",
           report.duration_seconds, "plan_digest", json::null_if_empty(report.plan_digest));
  write_market_caps(json.key("market_caps"), report);
  sync::write_guards(json.key("guards"), report.guards);
  json.put("total_changes", report.total_changes(), "changes", report.total_changes());
  write_task_results(json.key("task_results"), report);
  write_waiting(json, report);
  const auto write_warning = [](json::Writer& warnings, const Warning& warning) {
    warnings.string(warning.words(warning.names.size()));
  };
  const auto write_error = [](json::Writer& list, const Error& error) {
    list.string(error.what());
  };
  json.put("errors", json::list(errors, write_error), "warnings",
           json::list(report.warnings, write_warning), "error",
           json::null_if_empty(first == nullptr ? "" : first->what()), "object",
           json::null_if_empty(first == nullptr ? "" : first->object()), "hint",
           json::null_if_empty(first == nullptr ? "" : first->hint()));
  json.put("events", json::object("published", report.events_published, "pending",
                                  report.events_pending, "listeners", report.listeners));
}

/// Returns what to say about a write besides its numbers.
std::string remark_on(const EntryWrite& write) {
  const Entry* before = write.before.get();
  if (before == nullptr) return "  new";
  if (before->too_large) return "  its content " + std::string(unreadable_because(*before));
  if (!before->readable) return "  its content could not be read";
  if (write.is_take_over()) {
    return before->cache_type.empty() ? "  taken over from no type"
                                      : "  taken over from type " + printable(before->cache_type);
  }
  return write.diff.empty() ? "  count or metadata corrected" : "";
}

/// Returns the members largest first; added ones already have this order in nearly every universe.
std::vector<Placement> in_rank_order(std::vector<Placement> members, const Market& market) {
  // Rank 0 means none, and becomes the last.
  const auto rank = [&market](const Placement& each) { return market.rank_of(each.symbol) - 1; };
  std::ranges::stable_sort(members, {}, rank);
  return members;
}

constexpr std::size_t widest_name = 36;
/// The width of a row besides the name of its universe.
constexpr std::size_t room_for_numbers = 34;

/// Writes the lines of one report.
struct ReportText {
  const sync::Report& report;
  int ipo_days;
  const Output& output;
  Screen screen = output.screen();
  std::string text = {};

  std::string write() {
    if (report.snapshot && (report.dry_run || report.committed)) changes();
    refusals();
    if (report.snapshot) closing();
    return std::move(text);
  }

  template <typename... Values>
  void line(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text), format, std::forward<Values>(values)...);
    text += '\n';
  }

  /// Returns whether guards that would refuse do not, since exactly this plan is approved.
  [[nodiscard]] bool was_approved() const {
    return application_status(report.status) == "completed";
  }

  /// Writes only the worst refusal if the record has all of them.
  void refusals() {
    const std::vector<GuardResult> refusing = refusals_of(report.guards);
    const std::size_t all = refusing.size();
    const bool shows_all = report.dry_run || !report.has_outbox || output.full;
    const std::size_t shown = shows_all ? all : std::min<std::size_t>(all, 1);
    for (std::size_t i = 0; i < shown; ++i) {
      line("{}: {}",
           was_approved() ? screen.paint(Color::yellow, "overrides a guard")
                          : screen.paint(Color::bold_red, "refused by a guard"),
           printable(refusing[i].sentence));
    }
    if (shown < all) {
      line("… and {} more; 'tickstock-cache status {}' shows all", all - shown, report.run_id);
    }
  }

  void changes() {
    const sync::Snapshot& snapshot = *report.snapshot;
    const MemberReasons reasons(snapshot.market, snapshot.entries, snapshot.plan.universes,
                                ipo_days);
    std::size_t width = 0;
    for (const EntryWrite* each : report.writes())
      width = std::max(width, columns_of(printable(each->universe)));
    if (width > 0) line("+ added  − removed  ~ moved");
    // One long name widens its own row, not all of them.
    width = std::min(width, widest_name);
    for (std::size_t i = 0; i < report.tasks.size(); ++i) {
      const TaskPlan& task = snapshot.plan.tasks[i];
      if (report.tasks[i].error) {
        line("{}: {}, rolled back on its own: {}", to_string(task.task),
             screen.paint(Color::bold_red, "failed"), printable(report.tasks[i].error->what()));
        continue;
      }
      for (const EntryWrite& write : task.writes) universe(write, reasons, width);
    }
    waiting();
  }

  void waiting() {
    const sync::Snapshot& snapshot = *report.snapshot;
    const std::vector<Waiting>& all = snapshot.plan.waiting;
    if (all.empty()) return;
    line("waiting  {}",
         counted(all.size(), "member outside its universe", "members outside their universes"));
    // An undo follows no rule.
    if (output.summary || report.mode == Mode::undo) return;
    const std::size_t shown = output.full ? all.size() : std::min(all.size(), names_shown);
    for (std::size_t i = 0; i < shown; ++i) {
      const Universe& rule = *snapshot.plan.find(all[i].universe);
      line("{}  {}, in {}", member(" ", all[i].symbol),
           printable(waiting_reason(rule, snapshot.market, all[i])), printable(rule.name));
    }
    if (shown < all.size()) line("    … and {} more", all.size() - shown);
  }

  /// Formats a symbol with its market cap and rank.
  [[nodiscard]] std::string member(const std::string& sign, SymbolId symbol) const {
    const Market& market = report.snapshot->market;
    const auto listing = market.find(symbol);
    const std::size_t rank = market.rank_of(symbol);
    const std::string name = printable(market.name(symbol));
    return fmt::format(
        "  {} {} {:>10} {:>7}", sign, fitted(name, std::max<std::size_t>(columns_of(name), 8)),
        !listing ? "-" : dollars(listing->market_cap), rank == 0 ? "-" : fmt::format("#{}", rank));
  }

  void universe(const EntryWrite& write, const MemberReasons& reasons, std::size_t width) {
    const MembershipDiff& diff = write.diff;
    const std::string name = printable(write.universe);
    std::size_t taken = std::max(width, columns_of(name));
    if (screen.width > room_for_numbers) taken = std::min(taken, screen.width - room_for_numbers);
    line("{}  {:>5} → {:<5}  +{} −{} ~{}{}", fitted(name, taken), write.previous_count(),
         distinct(write.after->members.list()).size(), diff.added.size(), diff.removed.size(),
         diff.moved.size(), remark_on(write));
    members('+', diff.added,
            [&](const Placement& each) { return reasons.added(write, each.symbol); });
    members('-', in_rank_order(diff.removed, report.snapshot->market),
            [&](const Placement& each) { return reasons.removed(write, each.symbol); });
    // Most members move on most nights; their number is shown above.
    if (output.full) members('~', diff.moved, MemberReasons::moved);
  }

  template <typename Why>
  void members(char sign, const std::vector<Placement>& list, const Why& why) {
    if (output.summary) return;
    const std::size_t shown = output.full ? list.size() : std::min(list.size(), names_shown);
    const std::string painted = screen.paint(color_of(sign), std::string(1, sign));
    for (std::size_t i = 0; i < shown; ++i) {
      const std::string reason = printable(why(list[i]));
      line("{}{}{}", member(painted, list[i].symbol), reason.empty() ? "" : "  ", reason);
    }
    if (shown < list.size()) line("  {} … and {} more", sign, list.size() - shown);
  }

  void closing() {
    const Market& market = report.snapshot->market;
    if (report.looked_for_prices) {
      line("market caps: {} from prices, {} from the column", market.caps_from_prices(),
           market.ranking().size() - market.caps_from_prices());
    }
    const bool dry = report.dry_run;
    line("{}as of {}; plan {}", dry ? "" : "run " + report.run_id + " ", to_string(*report.as_of),
         report.plan_digest);
    if (!dry && !report.committed) return;
    const std::vector<const EntryWrite*> writes = report.writes();
    std::uint64_t added = 0;
    std::uint64_t removed = 0;
    std::uint64_t considered = report.snapshot->plan.considered;
    for (const EntryWrite* write : writes) {
      added += write->diff.added.size();
      removed += write->diff.removed.size();
      considered += write->before ? 0 : 1;
    }
    const std::uint64_t unchanged =
        std::max<std::uint64_t>(considered, writes.size()) - writes.size();
    text +=
        wrapped(fmt::format("{}{} {}changed, {} unchanged; {} added, {} removed{}; {:.3f} s",
                            dry ? "dry run: " : "", counted(writes.size(), "universe", "universes"),
                            dry ? "would be " : "", unchanged, counted(added, "member", "members"),
                            removed, dry ? "" : events(), report.duration_seconds),
                2, screen);
    if (dry && !writes.empty()) line("to run exactly this: {}", report.approval);
  }

  [[nodiscard]] std::string events() const {
    const std::string published = counted(report.events_published, "event", "events");
    if (report.events_pending == 0) return fmt::format("; {} published", published);
    return fmt::format("; {} published, {} {}", published, report.events_pending,
                       report.has_outbox ? "pending" : "lost");
  }
};

/// Escapes outside text for Markdown, so that it is taken for neither markup nor HTML.
std::string escaped(const std::string& text) {
  std::string plain;
  for (const char c : printable(text)) {
    if (c == '<') {
      plain += "&lt;";
    } else {
      if (std::string_view("\\|`*_[]#~").find(c) != std::string_view::npos) plain += '\\';
      plain += c;
    }
  }
  return plain;
}

/// Returns a table of the universes, with the names folded away, and how to run exactly this plan.
std::string as_markdown(const sync::Report& report, int ipo_days, const Output& output) {
  std::string text;
  std::string names;
  const auto add = [&](char sign, const EntryWrite& write, const std::vector<Placement>& members,
                       const auto& why) {
    const std::size_t shown = output.full ? members.size() : std::min(members.size(), names_shown);
    for (std::size_t i = 0; i < shown; ++i) {
      const std::string reason = why(members[i].symbol);
      const std::string_view symbol = report.snapshot->market.name(members[i].symbol);
      names +=
          fmt::format("- {}: {} {}{}{}\n", escaped(write.universe), sign,
                      escaped(std::string(symbol)), reason.empty() ? "" : ", ", escaped(reason));
    }
    if (shown < members.size()) {
      names += fmt::format("- {}: {} … and {} more\n", escaped(write.universe), sign,
                           members.size() - shown);
    }
  };
  if (report.snapshot) {
    const sync::Snapshot& snapshot = *report.snapshot;
    const MemberReasons reasons(snapshot.market, snapshot.entries, snapshot.plan.universes,
                                ipo_days);
    text =
        "| universe | before | after | added | removed | moved |\n"
        "| --- | ---: | ---: | ---: | ---: | ---: |\n";
    for (const EntryWrite* write : report.writes()) {
      const MembershipDiff& diff = write->diff;
      text += fmt::format("| {} | {} | {} | {} | {} | {} |\n", escaped(write->universe),
                          write->previous_count(), distinct(write->after->members.list()).size(),
                          diff.added.size(), diff.removed.size(), diff.moved.size());
      add('+', *write, diff.added, [&](SymbolId id) { return reasons.added(*write, id); });
      add('-', *write, in_rank_order(diff.removed, snapshot.market),
          [&](SymbolId id) { return reasons.removed(*write, id); });
    }
    text += '\n';
  }
  if (!names.empty() && !output.summary) {
    text +=
        "<details><summary>Members added and removed</summary>\n\n" + names + "\n</details>\n\n";
  }
  ReportText rest{report, ipo_days, output, {}};
  for (const GuardResult& guard : refusals_of(report.guards)) {
    text += fmt::format("**{}:** {}\n\n",
                        rest.was_approved() ? "Overrides a guard" : "Refused by a guard",
                        escaped(guard.sentence));
  }
  if (!report.snapshot) return text;
  // An indented block, which no text can end.
  rest.waiting();
  rest.closing();
  std::istringstream lines(rest.text);
  for (std::string line; std::getline(lines, line);) text += "    " + line + "\n";
  return text;
}

}  // namespace

std::string show_report(const sync::Report& report, int exit_status, int ipo_days,
                        const Output& output) {
  if (!output.json() && output.listing == "markdown") return as_markdown(report, ipo_days, output);
  if (!output.json()) return ReportText{report, ipo_days, output}.write();
  return document([&](json::Writer& json) { write_report(json, report, exit_status); });
}

}  // namespace tickstock::cli
