#pragma once

#include <array>
#include <csignal>
#include <cstddef>
#include <string_view>

namespace tickstock::soak {

/// The faults that a night's first run may meet.
enum class Fault : unsigned char {
  none,
  kill,             ///< SIGKILL at a moment
  kill_at_call,     ///< SIGKILL at a system call
  terminate,        ///< SIGTERM at a moment
  postgres_fast,    ///< a fast restart
  postgres_crash,   ///< an immediate one
  backend_ended,    ///< pg_terminate_backend
  redis_down,       ///< before the run, until it has ended
  redis_killed,     ///< at a moment, until the run has ended
  redis_restarted,  ///< at a moment
  redis_paused,     ///< CLIENT PAUSE
  redis_frozen,     ///< SIGSTOP for a while
  lock_held,        ///< a stranger holds the lock, for a while or for long
  writer,           ///< another program updates the same rows
  second_run,       ///< two runs at once
};

inline constexpr std::array<std::string_view, 15> fault_names{"none",
                                                              "SIGKILL",
                                                              "SIGKILL at a call",
                                                              "SIGTERM",
                                                              "PostgreSQL fast",
                                                              "PostgreSQL crash",
                                                              "backend ended",
                                                              "Redis down",
                                                              "Redis killed",
                                                              "Redis restarted",
                                                              "Redis paused",
                                                              "Redis frozen",
                                                              "lock held",
                                                              "other writer",
                                                              "second run"};

constexpr std::string_view name_of(Fault fault) {
  return fault_names[static_cast<std::size_t>(fault)];
}

}  // namespace tickstock::soak
