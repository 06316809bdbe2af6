#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>

#include "rules/reason.hpp"
#include "show/output.hpp"
#include "show/printable.hpp"
#include "show/table.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t names_shown = 10;

/// Writes the lines of one report.
class ReportText {
 public:
  ReportText(const sync::Report& report, const TextOptions& options)
      : report_(report), options_(options) {}

  std::string text() {
    if (report_.snapshot && (report_.dry_run || report_.committed)) changes();
    guards();
    closing();
    return std::move(text_);
  }

 private:
  template <typename... Values>
  void line(fmt::format_string<Values...> format, Values&&... values) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Values>(values)...);
    text_ += '\n';
  }

  [[nodiscard]] const Screen& screen() const { return options_.screen; }

  static Color color_of(char sign) {
    return sign == '+' ? Color::green : sign == '-' ? Color::red : Color::yellow;
  }

  void changes() {
    const sync::Snapshot& snapshot = *report_.snapshot;
    const MemberReasons reasons(snapshot.market, snapshot.entries, snapshot.plan.universes,
                                options_.ipo_days);
    std::size_t width = 0;
    for (const EntryWrite* write : report_.writes())
      width = std::max(width, columns_of(printable(write->universe)));
    if (options_.screen.width > 0) width = std::min(width, options_.screen.width / 2);
    for (std::size_t i = 0; i < report_.tasks.size(); ++i) {
      const TaskPlan& task = snapshot.plan.tasks[i];
      if (report_.tasks[i].error) {
        line("{}: {}, rolled back alone: {}", to_string(task.task),
             screen().paint(Color::bold_red, "failed"), printable(*report_.tasks[i].error));
        continue;
      }
      for (const EntryWrite& write : task.writes) universe(write, reasons, width);
    }
  }

  void universe(const EntryWrite& write, const MemberReasons& reasons, std::size_t width) {
    const MembershipDiff& diff = write.diff;
    std::string remark;
    if (!write.before) remark = "  new";
    if (write.is_take_over())
      remark = write.before->cache_type.empty()
                   ? "  taken over from no type"
                   : "  taken over from type " + printable(write.before->cache_type);
    if (write.before && !write.before->readable) remark = "  its content could not be read";
    if (write.before && write.before->too_large) {
      remark = "  its content " + std::string(unreadable_because(*write.before));
    }
    if (remark.empty() && diff.empty()) remark = "  count or metadata corrected";
    line("{}  {:>5} → {:<5}  +{} −{} ~{}{}", fitted(printable(write.universe), width),
         write.previous_count(), distinct(write.after->members.list()).size(), diff.added.size(),
         diff.removed.size(), diff.moved.size(), remark);
    using Why = std::function<std::string(const Placement&)>;
    members('+', diff.added,
            [&](const Placement& member) { return reasons.added(write, member.symbol); });
    members('-', diff.removed,
            [&](const Placement& member) { return reasons.removed(write, member.symbol); });
    members('~', diff.moved, Why(MemberReasons::moved));
  }

  void members(char sign, const std::vector<Placement>& list,
               const std::function<std::string(const Placement&)>& why) {
    const std::size_t shown = options_.full ? list.size() : std::min(list.size(), names_shown);
    for (std::size_t i = 0; i < shown; ++i) {
      const SymbolId symbol = list[i].symbol;
      const Market& market = report_.snapshot->market;
      const auto listing = market.find(symbol);
      const std::size_t rank = market.rank_of(symbol);
      const std::string reason = why(list[i]);
      const std::string name = printable(market.name(symbol));
      line("  {} {} {:>10} {:>7}{}{}", screen().paint(color_of(sign), std::string(1, sign)),
           fitted(name, std::max<std::size_t>(columns_of(name), 8)),
           !listing ? "-" : dollars(listing->market_cap),
           rank == 0 ? "-" : fmt::format("#{}", rank), reason.empty() ? "" : "  ", reason);
    }
    if (shown < list.size()) line("  {} … and {} more", sign, list.size() - shown);
  }

  void guards() {
    for (const GuardResult& guard : report_.guards) {
      if (guard.refused) {
        line("{}: {}", screen().paint(Color::bold_red, "refused by a guard"),
             printable(guard.sentence));
      }
    }
  }

  void closing() {
    if (!report_.snapshot) return;
    if (report_.looked_for_prices) {
      const Market& market = report_.snapshot->market;
      line("market caps: {} from prices, {} from the column", market.caps_from_prices(),
           market.ranking().size() - market.caps_from_prices());
    }
    line("{}as of {}; plan {}", report_.dry_run ? "" : "run " + report_.run_id + " ",
         to_string(*report_.as_of), report_.plan_digest);
    if (!report_.dry_run && !report_.committed) return;
    std::uint64_t added = 0;
    std::uint64_t removed = 0;
    const std::vector<const EntryWrite*> writes = report_.writes();
    for (const EntryWrite* write : writes) {
      added += write->diff.added.size();
      removed += write->diff.removed.size();
    }
    const std::uint64_t unchanged =
        considered() - std::min<std::uint64_t>(considered(), writes.size());
    std::string events;
    if (!report_.dry_run) {
      events = fmt::format("; {} published", counted(report_.events_published, "event", "events"));
      if (report_.events_pending > 0) {
        events +=
            fmt::format(", {} {}", report_.events_pending, report_.has_outbox ? "pending" : "lost");
      }
    }
    line("{}{} {}changed, {} unchanged; {} added, {} removed{}; {:.3f} s",
         report_.dry_run ? "dry run: " : "", counted(writes.size(), "universe", "universes"),
         report_.dry_run ? "would be " : "", unchanged, counted(added, "member", "members"),
         removed, events, report_.duration_seconds);
  }

  /// How many entries the tasks of this run looked after.
  [[nodiscard]] std::uint64_t considered() const {
    const sync::Snapshot& snapshot = *report_.snapshot;
    std::uint64_t count = 0;
    for (const auto& [universe, entry] : snapshot.entries) {
      count += snapshot.plan.considers(universe, *entry) ? 1 : 0;
    }
    for (const EntryWrite* write : report_.writes()) count += write->before ? 0 : 1;
    return count;
  }

  const sync::Report& report_;
  const TextOptions& options_;
  std::string text_;
};

Color color_of(RunStatus status) {
  switch (status) {
    case RunStatus::completed: return Color::green;
    case RunStatus::running:
    case RunStatus::completed_with_errors: return Color::yellow;
    case RunStatus::failed:
    case RunStatus::refused:
    case RunStatus::interrupted: return Color::red;
  }
  return Color::red;
}

std::pair<std::string_view, Color> word_of(sync::Finding::Level level) {
  switch (level) {
    case sync::Finding::Level::good: return {"ok", Color::green};
    case sync::Finding::Level::warning: return {"warning", Color::yellow};
    case sync::Finding::Level::failure: return {"FAILED", Color::bold_red};
  }
  return {"", Color::red};
}

/// `2026-08-21T20:10:03Z` of a time with milliseconds.
std::string to_the_second(const std::string& time) {
  const std::size_t point = time.find('.');
  return point == std::string::npos ? time : time.substr(0, point) + "Z";
}

std::string step_text(const tables::RunView& view) {
  return view.step > 0 ? fmt::format(", step {}/5", view.step) : "";
}

std::string events_text(const tables::RunView& view) {
  return fmt::format("{} published, {} pending{}",
                     view.record.events - view.pending - view.given_up, view.pending,
                     view.given_up > 0 ? fmt::format(", {} given up", view.given_up) : "");
}

}  // namespace

std::string text_report(const sync::Report& report, const TextOptions& options) {
  return ReportText(report, options).text();
}

std::string text_status(const tables::RunView& view, const Screen& screen) {
  const RunRecord& run = view.record;
  std::string text =
      fmt::format("run {}: {}{}\n", run.run_id,
                  screen.paint(color_of(run.status), to_string(run.status)), step_text(view));
  const auto field = [&text](std::string_view name, const std::string& value) {
    text += fmt::format("{:<13} {}\n", name, printable(value));
  };
  field("mode", run.mode);
  field("triggered by", run.triggered_by);
  field("as of", to_string(run.as_of));
  field("started", run.started_at);
  if (run.finished_at) field("finished", *run.finished_at);
  if (run.duration_seconds) field("took", fmt::format("{:.3f} s", *run.duration_seconds));
  if (run.plan_digest) field("plan", *run.plan_digest);
  field("changes",
        fmt::format(
            "{} in {}; {} added, {} removed, {} moved", run.total_changes,
            counted(static_cast<std::uint64_t>(run.universes_changed), "universe", "universes"),
            counted(static_cast<std::uint64_t>(run.members_added), "member", "members"),
            run.members_removed, run.members_moved));
  if (!view.universes.empty()) {
    field("universes", fmt::format("{}", fmt::join(view.universes, ", ")));
  }
  field("events", run.events_enabled ? events_text(view) : "switched off");
  if (run.approved) field("approved", "with --approve-plan");
  if (run.error) field("error", *run.error);
  return text;
}

std::string text_history(const tables::History& history, const Screen& screen) {
  Table table({{"started", false, false},
               {"run", false, true},
               {"mode", false, false},
               {"status", false, false},
               {"changes", true, false},
               {"took", true, false}});
  for (const tables::RunView& view : history.runs) {
    const RunRecord& run = view.record;
    table.add({to_the_second(run.started_at), run.run_id, run.mode,
               std::string(to_string(run.status)), std::to_string(run.total_changes),
               run.duration_seconds ? fmt::format("{:.3f} s", *run.duration_seconds) : "-"},
              3, color_of(run.status));
  }
  return table.text(screen) +
         fmt::format("{} of {}\n", history.runs.size(),
                     counted(static_cast<std::uint64_t>(history.total), "run", "runs"));
}

std::string text_findings(const std::vector<sync::Finding>& findings, const Screen& screen) {
  std::string text;
  for (const sync::Finding& finding : findings) {
    const auto [word, color] = word_of(finding.level);
    text +=
        screen.paint(color, fmt::format("{:<8}", word)) + " " + printable(finding.sentence) + "\n";
  }
  return text;
}

}  // namespace tickstock::cli
