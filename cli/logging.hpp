#pragma once

#include "settings.hpp"
#include "show/screen.hpp"
#include "sync/run.hpp"

namespace tickstock::cli {

/// What is written to standard error. Lines carry no time of their own: whoever keeps them
/// (journal, cron, a shell) adds it, and times of the run come from PostgreSQL. For systemd's
/// journal each line begins with its priority, which the journal takes off (sd-daemon(3)).
///
/// Where a person looks on, the steps of a run are one line at the bottom instead: the step, how
/// much is read, and for how long. It shows only once a run takes longer than a moment, is drawn
/// over again, and is gone when the run is over or something else is to be written.
class Log final : public sync::Observer {
 public:
  enum class Level : unsigned char { debug, info, warning, error };

  Log();
  ~Log() override { clear_progress(); }

  /// From now on lines look like this; before, they are text of the normal level, without colour.
  void configure(const Output& output);
  /// From now on every JSON line names the run.
  void set_run_id(const std::string& run_id) { run_id_ = run_id; }

  void debug(std::string_view message) { write(Level::debug, message); }
  void info(std::string_view message) { write(Level::info, message); }
  void warning(std::string_view message) { write(Level::warning, message); }
  void error(std::string_view message) { write(Level::error, message); }

  /// Shows steps as the line of progress where it can be drawn. \return whether it can
  bool begin_progress();
  /// Draws the line, unless it was drawn a moment ago.
  void draw_progress();
  void end_progress();

  void follow(const tables::Reading& reading) override { reading_ = &reading; }
  void step(int number, std::string_view name) override;
  void tell(const std::string& sentence, bool reads) override;
  void note(const std::string& sentence) override { warning(sentence); }

 private:
  using Clock = std::chrono::steady_clock;

  void write(Level level, std::string_view message, int step = 0);
  [[nodiscard]] std::string line(Level level, std::string_view message, int step) const;
  void say(std::string what);
  void clear_progress();

  Format format_ = Format::text;
  Level lowest_ = Level::info;
  bool to_journal_;
  Screen screen_;
  std::string run_id_;
  Clock::time_point begin_ = Clock::now();

  // The line of progress
  bool can_draw_ = false;
  bool drawing_ = false;
  bool drawn_ = false;
  std::string what_;
  Clock::time_point since_;
  Clock::time_point next_;
  const tables::Reading* reading_ = nullptr;
  bool reads_ = false;
};

/// The words of the line of progress in at most `width` columns.
std::string progress_text(std::string_view what, const tables::Reading& reading, double seconds,
                          std::size_t width);

}  // namespace tickstock::cli
