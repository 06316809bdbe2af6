#include "events/acl.hpp"

#include "events/channels.hpp"

namespace tickstock::events {

std::string redis_acl(const std::string& user, const std::vector<std::string>& lists) {
  std::string text =
      "# The user can log in once it has a password, which is given to it by\n"
      "#   ACL SETUSER " +
      user +
      " >PASSWORD\n"
      "# What follows is one command; it takes an old password away.\n"
      "ACL SETUSER " +
      user + " reset on resetkeys resetchannels";
  for (const EventKind& kind : event_kinds) text.append(" &").append(kind.channel);
  for (const std::string& list : lists) text.append(" ~").append(list);
  // AUTH needs no permission.
  return text + " -@all +select +role +publish" + (lists.empty() ? "" : " +lpop") + "\n";
}

}  // namespace tickstock::events
