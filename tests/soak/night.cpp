#include "soak/night.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <set>
#include <string_view>
#include <thread>

#include "support/fixture.hpp"

namespace tickstock::soak {

namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using test::Process;
using test::ProcessResult;

// Like the program's lock, but held by a session.
constexpr const char* lock_sql =
    "SELECT pg_advisory_lock((1953063787::bigint << 32) | 'cache_entries'::regclass::oid::bigint)";
constexpr const char* unlock_sql = "SELECT pg_advisory_unlock_all()";

// New versions of rows with the same content: enough for a serialization failure, but no change.
constexpr const char* write_sql =
    "UPDATE cache_entries SET cache_type = cache_type WHERE universe IN (SELECT universe FROM "
    "cache_entries ORDER BY md5(universe || $1) LIMIT 3)";
constexpr const char* write_symbols_sql =
    "UPDATE symbols SET industry = industry WHERE symbol IN (SELECT symbol FROM symbols "
    "ORDER BY md5(symbol || $1) LIMIT 5)";

constexpr const char* dump_sql =
    "SELECT e.xmin::text || ' ' || e::text FROM cache_entries e ORDER BY universe COLLATE \"C\"";

// For a night in which another program wrote the same rows: compares their content, not who wrote
// last.
constexpr const char* not_complete_sql = R"(
SELECT universe FROM cache_entries e FULL JOIN expected x USING (universe)
  FULL JOIN before b USING (universe)
 WHERE CASE WHEN x.written
       THEN (e.cache_type, e.content->'symbols', e.content->'count') IS DISTINCT FROM
            (x.cache_type, to_jsonb(x.symbols), to_jsonb(cardinality(x.symbols)))
       ELSE (e.cache_type, e.content, e.created_at, e.updated_at) IS DISTINCT FROM
            (b.cache_type, b.content, b.created_at, b.updated_at) END)";
constexpr const char* changed_sql = R"(
SELECT universe FROM cache_entries e FULL JOIN before b USING (universe)
 WHERE (e.cache_type, e.content, e.created_at, e.updated_at) IS DISTINCT FROM
       (b.cache_type, b.content, b.created_at, b.updated_at))";

bool may_cut_off(Fault fault) {
  switch (fault) {
    case Fault::none:
    case Fault::lock_held:
    case Fault::writer:
    case Fault::second_run: return false;
    default: return true;
  }
}

/// Returns the statuses that a run may exit with.
std::set<int> statuses_of(Fault fault) {
  switch (fault) {
    case Fault::none: return {0};
    case Fault::kill:
    case Fault::kill_at_call: return {0, 128 + SIGKILL};
    case Fault::terminate: return {0, 6, 128 + SIGTERM};
    case Fault::postgres_fast:
    case Fault::postgres_crash: return {0, 5, 6, 8};
    case Fault::backend_ended: return {0, 5, 6};
    case Fault::redis_down: return {6};
    case Fault::redis_killed:
    case Fault::redis_restarted: return {0, 6};
    case Fault::redis_paused:
    case Fault::redis_frozen: return {0};
    case Fault::lock_held:
    case Fault::second_run: return {0, 11};
    case Fault::writer: return {0, 5};
  }
  return {};
}

}  // namespace

Nights::Nights(test::Postgres& postgres, test::Redis& redis, test::Database& database,
               Recorder& recorder, Ledger& ledger, unsigned seed)
    : postgres_(postgres),
      redis_(redis),
      database_(database),
      recorder_(recorder),
      ledger_(ledger),
      random_(seed),
      config_(directory_.write("two.toml", "[database]\nconnections = 2\n")) {
  try {
    can_trace_ = test::run_process({"strace", "-qq", "-o", "/dev/null", "true"}).status == 0;
  } catch (const std::exception&) {
    // It doesn't exist.
  }
}

NightResult Nights::spend(std::size_t number, const std::string& day) {
  prefix_ = fmt::format("night-{}", number);
  attempt_ = 0;
  over_two_ = number % 2 == 0;
  NightResult result;
  result.fault = draw();
  test::Expectation expectation(database_, day);
  const Names before = dump();
  result.statuses = meet(result.fault, day);
  heal();
  ledger_.enter(may_cut_off(result.fault));
  judge(result.fault, result.statuses, expectation, before);
  result.runs = result.statuses.size();
  if (std::find(result.statuses.begin(), result.statuses.end(), 0) == result.statuses.end()) {
    // What a killed client left on the server ends by itself, a little later.
    Names again = sync(day);
    again.insert(again.end(), {"--lock-wait", "20"});
    const ProcessResult repeated = run(again);
    last_error_ = repeated.err;
    ++result.runs;
    ledger_.enter(false);
    if (repeated.status != 0) {
      throw Violation(fmt::format("the run after '{}' ended with {}: {}", name_of(result.fault),
                                  repeated.status, repeated.err));
    }
  }
  if (!is_complete(result.fault, expectation)) {
    throw Violation(fmt::format(
        "after '{}' and a run that ended with 0 the entries are not as they should be: {}",
        name_of(result.fault), fmt::join(expectation.mismatches(), "; ")));
  }
  ledger_.settle();
  return result;
}

Fault Nights::draw() {
  // Half of the nights are quiet. A restart of PostgreSQL takes ten times as long as a night.
  if (below(2) == 0) return Fault::none;
  const auto fault = static_cast<Fault>(1 + below(fault_names.size() - 1));
  const bool restarts = fault == Fault::postgres_fast || fault == Fault::postgres_crash;
  const Fault drawn = restarts && below(2) == 0 ? Fault::kill_at_call : fault;
  return drawn == Fault::kill_at_call && !can_trace_ ? Fault::kill : drawn;
}

microseconds Nights::moment() {
  return microseconds(below(static_cast<std::size_t>(usual_duration_.count() * 5 / 4)));
}

test::RunOptions Nights::options() const {
  test::RunOptions options;
  options.environment = {{"DATABASE_URL", database_.url()}, {"REDIS_URL", recorder_.url()}};
  if (over_two_) options.environment["TICKSTOCK_CACHE_CONFIG"] = config_;
  return options;
}

ProcessResult Nights::run(const Names& arguments) const {
  Names command{test::program_path()};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return test::run_process(command, options());
}

Nights::Names Nights::sync(const std::string& day) {
  return {"sync",
          "--as-of",
          day,
          "--run-id",
          fmt::format("{}-{}", prefix_, ++attempt_),
          "--max-universe-events",
          "0"};
}

std::vector<int> Nights::meet(Fault fault, const std::string& day) {
  Names command{test::program_path()};
  const Names arguments = sync(day);
  command.insert(command.end(), arguments.begin(), arguments.end());
  if (fault == Fault::redis_down) redis_.stop();
  if (fault == Fault::redis_paused) redis_.command({"CLIENT", "PAUSE", "60"});
  if (fault == Fault::redis_frozen) redis_.send_signal(SIGSTOP);
  if (fault == Fault::lock_held) {
    stranger_ = std::make_unique<test::Session>(database_.url());
    stranger_->execute(lock_sql);
    if (below(2) == 0) command.insert(command.end(), {"--lock-wait", "10"});
  }
  if (fault == Fault::kill_at_call) {
    constexpr std::array calls{"sendto", "recvfrom", "poll"};
    const char* call = calls[below(calls.size())];
    const Names traced{"strace",
                       "-f",
                       "-qq",
                       "-o",
                       "/dev/null",
                       "-e",
                       fmt::format("trace={}", call),
                       "-e",
                       fmt::format("inject={}:signal=KILL:when={}", call, 1 + below(150))};
    command.insert(command.begin(), traced.begin(), traced.end());
  }
  test::RunOptions wishes = options();
  // The leak detector is a tracer, and there can't be two.
  if (fault == Fault::kill_at_call)
    wishes.environment["ASAN_OPTIONS"] = "exitcode=99:detect_leaks=0";
  const auto begin = std::chrono::steady_clock::now();
  Process process(command, wishes);
  std::unique_ptr<Process> second;
  if (fault == Fault::second_run) {
    Names other{test::program_path()};
    const Names same = sync(day);
    other.insert(other.end(), same.begin(), same.end());
    second = std::make_unique<Process>(other, options());
  }
  befall(fault, process);
  std::vector<int> statuses{finish(process)};
  if (fault == Fault::none) {
    usual_duration_ =
        std::chrono::duration_cast<microseconds>(std::chrono::steady_clock::now() - begin);
  }
  if (second) statuses.push_back(finish(*second));
  return statuses;
}

void Nights::befall(Fault fault, Process& process) {
  switch (fault) {
    case Fault::none:
    case Fault::kill_at_call:
    case Fault::redis_down:
    case Fault::redis_paused:
    case Fault::second_run: return;
    case Fault::lock_held: return hold_lock(process);
    case Fault::writer: return write_along(process);
    default: break;
  }
  std::this_thread::sleep_for(moment());
  switch (fault) {
    case Fault::kill: process.send_signal(SIGKILL); break;
    case Fault::terminate: process.send_signal(SIGTERM); break;
    case Fault::postgres_fast: postgres_.restart(test::StopMode::fast); break;
    case Fault::postgres_crash: postgres_.restart(test::StopMode::immediate); break;
    case Fault::backend_ended: end_backend(); break;
    case Fault::redis_killed: kill_redis(); break;
    case Fault::redis_restarted:
      kill_redis();
      redis_.start();
      break;
    case Fault::redis_frozen: redis_.send_signal(SIGCONT); break;
    default: break;
  }
}

void Nights::hold_lock(Process& process) {
  const auto end = std::chrono::steady_clock::now() + milliseconds(150);
  while (process.running() && std::chrono::steady_clock::now() < end) test::pause_briefly();
  stranger_->execute(unlock_sql);
}

void Nights::write_along(Process& process) {
  while (process.running()) {
    const std::string draw = std::to_string(random_());
    try {
      database_.execute(write_sql, {draw});
      database_.execute(write_symbols_sql, {draw});
    } catch (const std::exception& error) {
      // The server may resolve a deadlock on this side as well as on the program's.
      if (std::string_view(error.what()).find("deadlock") == std::string_view::npos) throw;
    }
    std::this_thread::sleep_for(milliseconds(1 + below(20)));
  }
}

void Nights::end_backend() {
  // With two of them, half of the time only the second.
  database_.execute(
      "SELECT pg_terminate_backend(pid) FROM (SELECT pid FROM pg_stat_activity "
      "WHERE application_name LIKE 'tickstock-cache%' ORDER BY backend_start DESC LIMIT $1::int) a",
      {std::to_string(1 + below(2))});
}

void Nights::kill_redis() {
  redis_.send_signal(SIGKILL);
  test::wait_until("the end of Redis", [this] { return !redis_.running(); });
}

int Nights::finish(Process& process) {
  const ProcessResult result = process.wait(milliseconds(60'000));
  last_error_ = result.err;
  return result.status;
}

/// Restores what the fault took away.
void Nights::heal() {
  stranger_.reset();
  if (redis_.running()) {
    redis_.send_signal(SIGCONT);
  }
  redis_.start();
  postgres_.start();
  try {
    database_.execute("SELECT 1");
  } catch (const std::exception&) {
    database_.disconnect();
  }
}

Nights::Names Nights::dump() { return database_.column(dump_sql); }

bool Nights::is_complete(Fault fault, test::Expectation& expectation) {
  if (fault == Fault::writer) return database_.column(not_complete_sql).empty();
  return expectation.mismatches().empty();
}

void Nights::judge(Fault fault, const std::vector<int>& statuses, test::Expectation& expectation,
                   const Names& before) {
  const auto said = [&](const std::string& what) {
    return fmt::format("{} after '{}' and status {}; the run said: {}", what, name_of(fault),
                       fmt::join(statuses, ", "), last_error_);
  };
  const std::set<int> allowed = statuses_of(fault);
  bool done = false;
  bool open = false;
  for (const int status : statuses) {
    if (!allowed.contains(status)) throw Violation(said("a status that doesn't fit"));
    done = done || status == 0 || status == 6;
    open = open || status == 8 || status == 128 + SIGKILL;
  }
  if (statuses.size() > 1 && !done) throw Violation(said("neither of two runs was done"));
  const bool complete = is_complete(fault, expectation);
  const bool unchanged =
      fault == Fault::writer ? database_.column(changed_sql).empty() : dump() == before;
  const std::string state = complete    ? "the new state"
                            : unchanged ? "the old state"
                                        : "a mixed state";
  if (!complete && !unchanged) {
    throw Violation(
        said(state + " (" + fmt::format("{}", fmt::join(expectation.mismatches(), "; ")) + ")"));
  }
  if (done && !complete) throw Violation(said(state));
  // A night without any change counts as both.
  if (!done && !open && !unchanged) throw Violation(said(state));
}

}  // namespace tickstock::soak
