#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/scene.hpp"
#include "peers.hpp"

// What the fault tests share: a night of the small market, run by a role and a user with no more
// privileges than needed and with passwords that must never show.

namespace tickstock::test {

/// What a fault left in the entries.
enum class Entries { same, fresh };

/// What a fault left on the wire, of the events that are stored.
enum class Sent { none, prefix, all, prefix_or_all };

/// The servers of this test process for faults: both ask for a password. Ask inside a TEST_CASE.
Postgres& guarded_postgres();
Redis& guarded_redis();
/// Options with which a server of one's own asks for the same passwords.
PostgresOptions guarded(std::vector<std::string> settings = {});
/// Lets the role of the nights log in to a server of one's own.
void admit_job(Postgres& postgres);
extern const std::string redis_password;
/// What a configuration says for a stream.
inline constexpr const char* stream_setting = "[events]\nstream = 'tickstock:cache:events'\n";
std::vector<std::string> redis_settings(const std::vector<std::string>& more = {});

/// One night. Whatever it runs is looked through for the passwords.
class Night {
 public:
  explicit Night(Postgres& postgres = guarded_postgres(), Redis& redis = guarded_redis());
  /// Listens to another Redis than the one that is emptied.
  Night(Postgres& postgres, Redis& redis, Redis& heard);

  Fixture fixture;
  Database& database() { return fixture.database(); }

  /// Where the job finds its servers; with another port that of a proxy.
  Environment job(int postgres_port = 0) const;
  std::string redis_url(int port = 0) const;

  /// From now on the job knows the servers at these ports, and takes the one that writes.
  void know_servers(const std::vector<int>& ports) { servers_ = ports; }

  /// A configuration whose limits are short: a second to lock, two to connect, for COMMIT and for
  /// Redis, and these for the rest.
  std::string config(int statement_seconds = 20, int publish_seconds = 2);

  /// Runs `sync` for the day of the small market as the job.
  ProcessResult sync(const Names& arguments = {}, const Environment& extra = {});
  /// The same in the background; to be ended by finish().
  std::unique_ptr<Process> start(const Names& arguments = {}, const Environment& extra = {});
  ProcessResult finish(Process& process);
  ProcessResult run(const Names& arguments, const Environment& extra = {});

  /// From now on the job puts its events into a stream.
  void keep_stream();
  /// The ids of the events in it, in order.
  Names streamed();

  /// Holds the run, when it gets there, in the middle of its writes, until the end of the result.
  std::unique_ptr<Session> hold();
  void wait_until_held();
  /// The process of the server that works for the run.
  std::string backend();

  /// What a run that ended like this must have left behind.
  void check(const ProcessResult& result, int status, Entries left, Sent sent,
             const std::string& says);
  /// A run without the fault puts everything right: the entries are as they should be, and each
  /// stored event was sent, in order.
  void heal();

  /// The entries count as unchanged from here on.
  void forget() { before_ = fixture.entries_dump(); }
  /// What has arrived until now is held against nothing.
  void forget_events() {
    take_events();
    arrived_.clear();
  }

  /// What is listened to begins anew, e.g. because Redis did.
  void listen();
  /// The ids of the stored events, in order, and of those that have arrived, in order and each
  /// once.
  Names stored();
  const Names& arrived();
  /// How many arrived more than once.
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
  std::string events_;  ///< what the configuration says of events
  int repeated_ = 0;
};

}  // namespace tickstock::test
