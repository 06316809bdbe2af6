#include <algorithm>

#include "rules/guards.hpp"
#include "rules/plan.hpp"
#include "sync/data_warnings.hpp"
#include "sync/digest.hpp"
#include "sync/run_state.hpp"
#include "tables/market_reader.hpp"
#include "tables/preflight.hpp"
#include "tables/runs.hpp"

namespace tickstock::sync {

namespace {

/// The symbols whose companies a plan names: those that come into or leave the recent listings, and
/// new listings that come into a declared universe.
std::vector<SymbolId> described(const Plan& plan, const Market& market, int ipo_days) {
  std::vector<SymbolId> symbols;
  for (const TaskPlan& task : plan.tasks) {
    if (task.task == Task::ipo) {
      for (const EntryWrite& write : task.writes) {
        for (const Placement& member : write.diff.added) symbols.push_back(member.symbol);
        for (const Placement& member : write.diff.removed) symbols.push_back(member.symbol);
      }
    } else {
      for_each_listing(
          task, market, ipo_days,
          [&symbols](const EntryWrite& /*write*/, SymbolId id) { symbols.push_back(id); });
    }
  }
  return symbols;
}

std::string_view command_of(Mode mode) {
  switch (mode) {
    case Mode::full: return "sync";
    case Mode::market_cap: return "market-cap";
    case Mode::ipos: return "ipo";
    case Mode::themes: return "themes";
    case Mode::delisted: return "delisted";
  }
  return "";
}

/// The command that runs a plan which was refused, ready to paste.
std::string approval(const RunOptions& options, const std::string& digest) {
  std::string command(command_of(options.mode));
  if (options.as_of) command += " --as-of " + to_string(*options.as_of);
  return command + " --approve-plan " + digest;
}

}  // namespace

void Run::make_plan(postgres::Transaction& transaction) {
  const tables::TableNames& names = environment_.tables;
  if (can_read_history_) {
    const auto last = tables::last_completed_as_of(transaction, names);
    if (last && *report_.as_of < *last) {
      report_.warnings.push_back("the as-of day " + to_string(*report_.as_of) +
                                 " lies before that of the last completed run, which is " +
                                 to_string(*last));
    }
  }
  const std::optional<int> days = price_days(options_.policy, options_.mode);
  // Closed when the tables are read, and when that fails: another attempt does without.
  std::unique_ptr<postgres::Companion> companion = std::move(companion_);
  auto [market, entries] = tables::read_sources(transaction, companion.get(), names, catalog_,
                                                {*report_.as_of, days, label_columns()}, reading_);
  companion.reset();
  const GuardLimits& limits = options_.policy.guards;
  const bool fresh =
      !limits.max_data_age_days ||
      tables::has_recent_prices(transaction, names, *report_.as_of, *limits.max_data_age_days);

  if (options_.measure && has_prices()) {
    report_.newest_prices = tables::newest_price_day(transaction, names, market);
  }

  for (Warning& warning : data_warnings(transaction, environment_, catalog_, options_.policy,
                                        options_.mode, market, entries)) {
    report_.warnings.push_back(std::move(warning));
  }
  Plan plan = tickstock::make_plan(options_.mode, market, entries, options_.policy);
  tables::CompanyReader companies(transaction, names, market,
                                  described(plan, market, options_.policy.ipo_days));
  report_.looked_for_prices = days.has_value();
  for (const TaskPlan& task : plan.tasks) {
    report_.warnings.insert(report_.warnings.end(), task.warnings.begin(), task.warnings.end());
  }
  report_.guards = evaluate_guards({options_.mode, market, entries, plan, limits, fresh});
  report_.written_at = clock_.now();
  report_.plan_digest = plan_digest(plan, market);
  companies.take(market);
  report_.snapshot = std::make_unique<const Snapshot>(
      Snapshot{std::move(market), std::move(entries), std::move(plan)});
  for (const TaskPlan& task : report_.snapshot->plan.tasks) {
    report_.tasks.push_back({task.task, changes_of(task, report_.snapshot->market), std::nullopt});
  }
}

std::vector<std::string> Run::label_columns() const {
  return options_.dry_run ? columns_with_decay(options_.policy, catalog_)
                          : options_.policy.columns();
}

bool Run::has_prices() const {
  return tables::find_problems(catalog_, {tables::Need::read_prices}, connection_->user()).empty();
}

void Run::check_guards() const {
  if (options_.approve_plan) {
    if (*options_.approve_plan == report_.plan_digest) return;
    throw Error(ErrorKind::not_approved,
                "the plan has digest " + report_.plan_digest +
                    ", which is not the approved one; read a new dry run and approve that");
  }
  const std::vector<GuardResult>& guards = report_.guards;
  const auto refusing = std::find_if(guards.begin(), guards.end(),
                                     [](const GuardResult& guard) { return guard.refused; });
  if (refusing == guards.end()) return;
  throw Error(
      ErrorKind::refused,
      "refused by a guard: " + refusing->sentence +
          "; fix the data, or read a dry run and approve exactly this plan: tickstock-cache " +
          approval(options_, report_.plan_digest));
}

}  // namespace tickstock::sync
