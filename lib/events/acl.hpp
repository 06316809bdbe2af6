#pragma once

#include <string>

namespace tickstock::events {

/// The command by which Redis makes a user that may do what this program does, and no more, below a
/// comment on its password.
std::string redis_acl(const std::string& user);

}  // namespace tickstock::events
