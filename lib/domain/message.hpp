#pragma once

#include <string>

namespace tickstock {

/// One event, ready to be sent.
struct Message {
  std::string event_id;  ///< UUID, the same whenever the event is sent again
  std::string channel;
  std::string event;
  std::string body;  ///< the whole envelope as JSON
};

}  // namespace tickstock
