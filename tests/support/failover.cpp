#include "failover.hpp"

#include <utility>

namespace tickstock::test {

FailoverPair::FailoverPair(PostgresOptions options) : options_(std::move(options)) {
  options_.settings.insert(options_.settings.begin(),
                           {"wal_keep_size = 16MB", "min_wal_size = 2MB", "max_wal_size = 16MB",
                            "restart_after_crash = off", "wal_retrieve_retry_interval = 100ms"});
  PostgresOptions first = options_;
  first.initdb_arguments.emplace_back("--wal-segsize=1");
  primary_ = std::make_unique<Postgres>(first);
  // A copy is made for each promotion, so keep it small.
  Session admin(primary_->url("postgres"));
  admin.execute("ALTER DATABASE template0 IS_TEMPLATE false");
  admin.execute("DROP DATABASE template0");
  renew();
}

void FailoverPair::acknowledge(const std::string& standbys) {
  Session session(primary_->url("postgres"));
  session.execute("ALTER SYSTEM SET synchronous_standby_names = '" + standbys + "'");
  session.execute("SELECT pg_reload_conf()");
  const std::string wanted = standbys.empty() ? "async" : "sync";
  wait_until("the standby to follow", [&] {
    return session.value(
               "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' "
               "AND sync_state = $1",
               {wanted}) == "1";
  });
}

void FailoverPair::part() {
  acknowledge("");
  Session session(standby_->url("postgres"));
  session.execute("ALTER SYSTEM SET primary_conninfo = ''");
  session.execute("SELECT pg_reload_conf()");
  wait_until("the standby to stop following",
             [&] { return session.value("SELECT count(*) FROM pg_stat_wal_receiver") == "0"; });
}

void FailoverPair::lose_primary(Death death) {
  if (death == Death::crash) {
    primary_->crash();
  } else {
    primary_->stop(StopMode::immediate);
  }
}

void FailoverPair::promote() {
  standby_->promote();
  primary_ = std::move(standby_);
}

void FailoverPair::renew() {
  // Once promoted, the copy must not wait for a standby itself, so create it before the primary
  // starts to wait.
  standby_ = std::make_unique<Postgres>(*primary_, options_);
  acknowledge("*");
}

}  // namespace tickstock::test
