#pragma once

#include <string>
#include <vector>

namespace tickstock::events {

/// The command by which Redis makes a user that may do what this program does, and no more, below a
/// comment on its password. \param lists those that a run looks at before it begins
std::string redis_acl(const std::string& user, const std::vector<std::string>& lists);

}  // namespace tickstock::events
