#pragma once

#include "settings.hpp"
#include "show/screen.hpp"
#include "sync/run.hpp"

namespace tickstock::cli {

/// What is written to standard error. Lines have no time of their own: whatever stores them
/// (journal, cron, a shell) adds it, and times of the run come from PostgreSQL. For systemd's
/// journal, each line begins with its priority, which the journal strips (sd-daemon(3)).
///
/// On a terminal, the steps of a run are shown as one line at the bottom instead: the step, how
/// much has been read, and for how long. The line appears only if a run takes more than a moment,
/// is redrawn in place, and disappears when the run ends or something else is written.
class Log final : public sync::Observer {
 public:
  enum class Level : unsigned char { debug, info, warning, error };

  Log();
  ~Log() override { clear_progress(); }

  /// Sets the look of lines from now on; until then they are uncolored text at the normal level.
  void configure(const Output& output);
  /// Names the run in every JSON line from now on.
  void set_run_id(const std::string& run_id) { run_id_ = run_id; }

  void debug(std::string_view message) { write(Level::debug, message); }
  void info(std::string_view message) { write(Level::info, message); }
  void warning(std::string_view message) { write(Level::warning, message); }
  void error(std::string_view message) { write(Level::error, message); }

  /// Shows steps as the progress line if that can be drawn. \return whether it can
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

  // The progress line
  bool can_draw_ = false;
  bool drawing_ = false;
  bool drawn_ = false;
  std::string what_;
  Clock::time_point since_;
  Clock::time_point next_;
  const tables::Reading* reading_ = nullptr;
  bool reads_ = false;
};

/// Returns the text of the progress line in at most `width` columns.
std::string progress_text(std::string_view what, const tables::Reading& reading, double seconds,
                          std::size_t width);

}  // namespace tickstock::cli
