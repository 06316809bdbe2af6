#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "domain/reason.hpp"
#include "output.hpp"
#include "printable.hpp"

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

  void changes() {
    const sync::Snapshot& snapshot = *report_.snapshot;
    const MemberReasons reasons(snapshot.market, snapshot.entries, options_.ipo_days);
    std::size_t width = 0;
    for (const EntryWrite* write : report_.writes())
      width = std::max(width, printable(write->universe).size());
    for (std::size_t i = 0; i < report_.tasks.size(); ++i) {
      const TaskPlan& task = snapshot.plan.tasks[i];
      if (report_.tasks[i].error) {
        line("{}: failed, rolled back alone: {}", to_string(task.task),
             printable(*report_.tasks[i].error));
        continue;
      }
      for (const EntryWrite& write : task.writes) universe(task.task, write, reasons, width);
    }
  }

  void universe(Task task, const EntryWrite& write, const MemberReasons& reasons,
                std::size_t width) {
    const MembershipDiff& diff = write.diff;
    std::string remark;
    if (!write.before) remark = "  new";
    if (write.is_take_over())
      remark = write.before->cache_type.empty()
                   ? "  taken over from no type"
                   : "  taken over from type " + printable(write.before->cache_type);
    if (write.before && !write.before->readable) remark = "  its content could not be read";
    if (remark.empty() && diff.empty()) remark = "  count or metadata mended";
    line("{:<{}}  {:>5} → {:<5}  +{} −{} ~{}{}", printable(write.universe), width,
         write.previous_count(), distinct(write.after->members).size(), diff.added.size(),
         diff.removed.size(), diff.moved.size(), remark);
    using Why = std::function<std::string(const Placement&)>;
    members('+', diff.added,
            [&](const Placement& member) { return reasons.added(task, write, member.symbol); });
    members('-', diff.removed,
            [&](const Placement& member) { return reasons.removed(task, write, member.symbol); });
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
      line("  {} {:<8} {:>10} {:>7}{}{}", sign, printable(market.name(symbol)),
           !listing ? "-" : dollars(listing->market_cap),
           rank == 0 ? "-" : fmt::format("#{}", rank), reason.empty() ? "" : "  ", reason);
    }
    if (shown < list.size()) line("  {} … and {} more", sign, list.size() - shown);
  }

  void guards() {
    for (const GuardResult& guard : report_.guards) {
      if (guard.refused) line("refused by a guard: {}", printable(guard.sentence));
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
    const auto has = [this](Task task) {
      return std::any_of(report_.tasks.begin(), report_.tasks.end(),
                         [task](const sync::TaskReport& each) { return each.task == task; });
    };
    std::uint64_t count = 0;
    const auto looked_after = [&has](const std::string& universe, const Entry& entry) {
      if (universe == recent_ipos) return has(Task::ipo);
      if (is_owned(universe) && has(Task::market_cap)) return true;
      return is_cleaned_type(entry.cache_type) && has(Task::delisted);
    };
    for (const auto& [universe, entry] : report_.snapshot->entries)
      count += looked_after(universe, *entry) ? 1 : 0;
    for (const EntryWrite* write : report_.writes()) count += write->before ? 0 : 1;
    return count;
  }

  const sync::Report& report_;
  const TextOptions& options_;
  std::string text_;
};

std::string step_text(const store::RunView& view) {
  return view.step > 0 ? fmt::format(", step {}/5", view.step) : "";
}

std::string events_text(const store::RunView& view) {
  return fmt::format("{} published, {} pending{}",
                     view.record.events - view.pending - view.given_up, view.pending,
                     view.given_up > 0 ? fmt::format(", {} given up", view.given_up) : "");
}

}  // namespace

std::string text_report(const sync::Report& report, const TextOptions& options) {
  return ReportText(report, options).text();
}

std::string text_status(const store::RunView& view) {
  const RunRecord& run = view.record;
  std::string text =
      fmt::format("run {}: {}{}\n", run.run_id, to_string(run.status), step_text(view));
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

std::string text_history(const store::History& history) {
  std::string text = fmt::format("{:<24} {:<26} {:<10} {:<21} {:>7} {:>9}\n", "started", "run",
                                 "mode", "status", "changes", "took");
  for (const store::RunView& view : history.runs) {
    const RunRecord& run = view.record;
    text +=
        fmt::format("{:<24} {:<26} {:<10} {:<21} {:>7} {:>9}\n", run.started_at, run.run_id,
                    run.mode, to_string(run.status), run.total_changes,
                    run.duration_seconds ? fmt::format("{:.3f} s", *run.duration_seconds) : "-");
  }
  text += fmt::format("{} of {}\n", history.runs.size(),
                      counted(static_cast<std::uint64_t>(history.total), "run", "runs"));
  return text;
}

std::string text_findings(const std::vector<sync::Finding>& findings) {
  std::string text;
  for (const sync::Finding& finding : findings) {
    const std::string_view word = finding.level == sync::Finding::Level::good      ? "ok"
                                  : finding.level == sync::Finding::Level::warning ? "warning"
                                                                                   : "FAILED";
    text += fmt::format("{:<8} {}\n", word, printable(finding.sentence));
  }
  return text;
}

}  // namespace tickstock::cli
