#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/scene.hpp"
#include "peers.hpp"

// Shared by the fault tests: a night of the small market, run by a role and a user with only the
// required privileges, and with passwords that must never be shown.

namespace tickstock::test {

/// What a fault left in the entries.
enum class Entries { same, fresh };

/// Which of the stored events were sent despite a fault.
enum class Sent { none, prefix, all, prefix_or_all };

/// The servers of this test process for faults, both of which require a password. Use it inside a
/// TEST_CASE.
Postgres& guarded_postgres();
Redis& guarded_redis();
/// Returns the options with which a private server requires the same passwords.
PostgresOptions guarded(std::vector<std::string> settings = {});
/// Lets the role of the nights log in to a private server.
void admit_job(Postgres& postgres);
extern const std::string redis_password;
/// The configuration for a stream.
inline constexpr const char* stream_setting = "[events]\nstream = 'tickstock:cache:events'\n";
std::vector<std::string> redis_settings(const std::vector<std::string>& more = {});

/// One night. Searches everything it runs for the passwords.
class Night {
 public:
  explicit Night(Postgres& postgres = guarded_postgres(), Redis& redis = guarded_redis());
  /// Listens to another Redis than the one that is emptied.
  Night(Postgres& postgres, Redis& redis, Redis& heard);

  Fixture fixture;
  Database& database() { return fixture.database(); }

  /// Returns the environment in which the job finds its servers; another port is that of a proxy.
  Environment job(int postgres_port = 0) const;
  std::string redis_url(int port = 0) const;

  /// From now on the job knows the servers at these ports, and uses the writable one.
  void know_servers(const std::vector<int>& ports) { servers_ = ports; }

  /// Returns a configuration with short limits: a second for locks, two for connecting, for COMMIT
  /// and for Redis, and these for the rest.
  std::string config(int statement_seconds = 20, int publish_seconds = 2);

  /// Runs `sync` as the job, for the day of the small market.
  ProcessResult sync(const Names& arguments = {}, const Environment& extra = {});
  /// Does the same in the background; call finish() to end it.
  std::unique_ptr<Process> start(const Names& arguments = {}, const Environment& extra = {});
  ProcessResult finish(Process& process);
  ProcessResult run(const Names& arguments, const Environment& extra = {});

  /// From now on the job adds its events to a stream.
  void keep_stream();
  /// Returns the ids of the events in the stream, in order.
  Names streamed();

  /// Blocks the run in the middle of its writes, until the result is destroyed.
  std::unique_ptr<Session> hold();
  void wait_until_held();
  /// Returns the server process that works for the run.
  std::string backend();

  /// Checks what a run that ended like this must have left behind.
  void check(const ProcessResult& result, int status, Entries left, Sent sent,
             const std::string& says);
  /// Checks that a run without the fault puts everything right: the entries are as they should be,
  /// and each stored event was sent, in order.
  void heal();

  /// From here on the current entries count as unchanged.
  void forget() { before_ = fixture.entries_dump(); }
  /// Ignores the events that have arrived so far.
  void forget_events() {
    take_events();
    arrived_.clear();
  }

  /// Starts listening again, e.g. because Redis was restarted.
  void listen();
  /// Return the ids of the stored events, in order, and of those that have arrived, in order and
  /// without repetitions.
  Names stored();
  const Names& arrived();
  /// Returns how many arrived more than once.
  int repeated() const { return repeated_; }

 private:
  void take_events();
  Names rows();

  TemporaryDirectory directory_;
  Redis& redis_;
  std::unique_ptr<Subscriber> subscriber_;
  Names before_;
  Names arrived_;
  std::vector<int> servers_;
  std::string events_;  ///< the configuration of events
  int repeated_ = 0;
};

}  // namespace tickstock::test
