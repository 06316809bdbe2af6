#include <algorithm>

#include "domain/counted.hpp"
#include "store/market_reader.hpp"
#include "store/preflight.hpp"
#include "store/runs.hpp"
#include "sync/digest.hpp"
#include "sync/run_state.hpp"
#include "tasks/guards.hpp"
#include "tasks/tasks.hpp"

namespace tickstock::sync {

namespace {

/// The symbols whose companies a plan names: those that come into or leave `recent_ipos`.
std::vector<SymbolId> described(const Plan& plan) {
  std::vector<SymbolId> symbols;
  for (const TaskPlan& task : plan.tasks) {
    if (task.task != Task::ipo) continue;
    for (const EntryWrite& write : task.writes) {
      for (const Placement& member : write.diff.added) symbols.push_back(member.symbol);
      for (const Placement& member : write.diff.removed) symbols.push_back(member.symbol);
    }
  }
  return symbols;
}

}  // namespace

void Run::make_plan(store::Transaction& transaction) {
  const store::TableNames& names = environment_.tables;
  if (can_read_history_) {
    const auto last = store::last_completed_as_of(transaction, names);
    if (last && *report_.as_of < *last) {
      report_.warnings.push_back("the as-of day " + to_string(*report_.as_of) +
                                 " lies before that of the last completed run, which is " +
                                 to_string(*last));
    }
  }
  // Closed when the tables are read, and when that fails: another attempt does without.
  std::unique_ptr<store::Companion> companion = std::move(companion_);
  auto [market, entries] = store::read_sources(transaction, companion.get(), names, catalog_,
                                               {*report_.as_of, price_days()}, reading_);
  companion.reset();
  const GuardLimits& limits = options_.policy.guards;
  const bool fresh =
      !limits.max_data_age_days ||
      store::has_recent_prices(transaction, names, *report_.as_of, *limits.max_data_age_days);

  if (options_.measure && has_prices()) {
    report_.newest_prices = store::newest_price_day(transaction, names, market);
  }

  Plan plan = tasks::make_plan(options_.mode, market, entries, options_.policy);
  store::CompanyReader companies(transaction, names, market, described(plan));
  report_.looked_for_prices = price_days().has_value();
  warn_about_data(market);
  for (const TaskPlan& task : plan.tasks) {
    report_.warnings.insert(report_.warnings.end(), task.warnings.begin(), task.warnings.end());
  }
  report_.guards = tasks::evaluate_guards(
      {options_.mode, market, entries, plan, limits, options_.policy.ipo_days, fresh});
  report_.written_at = clock_.now();
  report_.plan_digest = plan_digest(plan, market);
  companies.take(market);
  report_.snapshot = std::make_unique<const Snapshot>(
      Snapshot{std::move(market), std::move(entries), std::move(plan)});
  for (const TaskPlan& task : report_.snapshot->plan.tasks) {
    report_.tasks.push_back(
        {task.task, changes_of(task, report_.snapshot->market, options_.policy), std::nullopt});
  }
}

std::optional<int> Run::price_days() const {
  // The recent listings don't depend on a market cap.
  return options_.mode == Mode::ipos ? std::nullopt : options_.policy.price_days();
}

bool Run::has_prices() const {
  return store::find_problems(catalog_, {store::Need::read_prices}, connection_->user()).empty();
}

void Run::warn_about_data(const Market& market) {
  if (price_days() && market.caps_from_prices() == 0) {
    report_.warnings.push_back("no market cap comes from prices: no eligible symbol has both a " +
                               std::string("close of the ") + std::to_string(*price_days()) +
                               " days before the as-of day and shares_outstanding");
  }
  if (market.unknown_activity() > 0) {
    report_.warnings.push_back(counted(
        market.unknown_activity(),
        "symbol has no is_active (NULL); it is not eligible, and stays where it is",
        "symbols have no is_active (NULL); they are not eligible, and stay where they are"));
  }
  if (market.not_finite() > 0) {
    report_.warnings.push_back(
        counted(market.not_finite(), "symbol has a market cap that is not a finite number; it is",
                "symbols have a market cap that is not a finite number; they are") +
        " not eligible");
  }
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
          "; mend the data, or read a dry run and approve exactly that plan with --approve-plan " +
          report_.plan_digest);
}

}  // namespace tickstock::sync
