#include "soak/ledger.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "support/json.hpp"

namespace tickstock::soak {

namespace {

// A line for each change of the entries that must have been announced: one per universe and task,
// and one for each symbol that joined the recent listings.
constexpr const char* wanted_sql = R"(
SELECT max(id), run_id, universe, count(*) FROM cache_sync_changes WHERE id > $1
 GROUP BY run_id, universe
UNION ALL
SELECT id, run_id, 'symbol ' || symbol, 1
  FROM cache_sync_changes CROSS JOIN LATERAL unnest(added) AS symbol
 WHERE id > $1 AND task = 'ipo_assignment')";

}  // namespace

void Ledger::enter(bool may_be_cut_off) {
  for (const test::Event& event : recorder_.drain()) {
    const test::Json message = test::Json::parse(event.message);
    const std::string name = message.at("event").str();
    // A retry, after a conflict with another program, shows its steps again.
    if (name == "job_progress_update") continue;
    const std::string id = message.at("event_id").str();
    const auto [known, is_new] = seen_.try_emplace(id, may_be_cut_off);
    if (!is_new) {
      if (!known->second) {
        throw Violation(
            fmt::format("event {} on {} was published twice, though no fault was near: {}", id,
                        event.channel, event.message));
      }
      known->second = may_be_cut_off;
      ++duplicates_;
      continue;
    }
    ++announced_;
    arrived_.push_back(id);
    if (name == "universe_updated") {
      about_[{message.at("payload.run_id").str(), message.at("payload.universe").str()}].insert(id);
    } else if (name == "ipo_assigned") {
      about_[{message.at("payload.run_id").str(), "symbol " + message.at("payload.symbol").str()}]
          .insert(id);
    }
  }
}

void Ledger::settle() {
  check_outbox();
  check_changes();
  arrived_.clear();
}

void Ledger::check_outbox() {
  std::map<std::string, std::int64_t> places;
  for (const auto& row :
       database_.rows("SELECT event_id, id, published_at IS NULL, channel FROM cache_sync_outbox "
                      "WHERE id > $1 ORDER BY id",
                      {std::to_string(last_outbox_id_)})) {
    if (row[2] == "t") {
      throw Violation(
          fmt::format("event {} on {} is pending after a run that ended with 0", row[0], row[3]));
    }
    if (!seen_.contains(row[0])) {
      throw Violation(
          fmt::format("event {} on {} is lost: it is marked as published, and Redis never took it",
                      row[0], row[3]));
    }
    places.emplace(row[0], std::stoll(row[1]));
  }
  for (const std::string& id : arrived_) {
    const auto place = places.find(id);
    if (place == places.end()) continue;  // best effort: it was never stored
    if (place->second <= last_outbox_id_) {
      throw Violation(fmt::format("event {} was published after one that was stored later", id));
    }
    last_outbox_id_ = place->second;
  }
}

void Ledger::check_changes() {
  std::int64_t last = last_change_id_;
  for (const auto& row : database_.rows(wanted_sql, {std::to_string(last_change_id_)})) {
    last = std::max<std::int64_t>(last, std::stoll(row[0]));
    const std::size_t wanted = std::stoul(row[3]);
    if (!row[2].starts_with("symbol ")) changes_ += wanted;
    const std::size_t found = about_[{row[1], row[2]}].size();
    if (found < wanted) {
      throw Violation(fmt::format("run {} committed {} changes of {} and announced {}", row[1],
                                  wanted, row[2], found));
    }
  }
  last_change_id_ = last;
}

void Ledger::prune() {
  seen_.clear();
  about_.clear();
  database_.execute(
      "DELETE FROM cache_sync_outbox WHERE published_at IS NOT NULL; DELETE FROM "
      "cache_sync_changes;"
      "DELETE FROM cache_sync_runs WHERE status <> 'running'");
  database_.execute("VACUUM ANALYZE");
}

}  // namespace tickstock::soak
