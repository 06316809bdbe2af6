#include "sync/giving_up.hpp"
#include "sync/run_state.hpp"
#include "tables/outbox.hpp"

namespace tickstock::sync {

void Run::give_up_old() {
  OldEvents old = give_up_old_events(*connection_, environment_.tables, catalog_,
                                     application_name(), environment_.retention.outbox_max_age);
  if (!old.warning.empty()) report_.warnings.emplace_back(std::move(old.warning));
}

void Run::prune() {
  // Whoever wants the run to end now does not care for old rows.
  if (patience_.ending()) return;
  try {
    tables::prune(*connection_, environment_.tables, environment_.retention);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) return;
    report_.warnings.push_back(std::string("old records were not deleted: ") + error.what());
  }
}

void Run::measure() {
  if (!options_.measure || !report_.has_outbox || !connection_ || !connection_->usable()) return;
  const io::Settling settling(patience_);
  try {
    report_.outbox_pending =
        static_cast<std::uint64_t>(tables::count_pending(*connection_, environment_.tables));
  } catch (const Error&) {
    // What is not known is not told; why the run failed is said already.
  }
}

}  // namespace tickstock::sync
