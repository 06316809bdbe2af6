#pragma once

#include <functional>
#include <string_view>

namespace tickstock::json {

/// Reads a JSON array of strings as it streams by, without building a document. \return false for
/// anything else: another type, an element that is no string, or text that PostgreSQL's jsonb does
/// not take either. `take` may then have been called for the first elements.
bool read_string_array(std::string_view json, const std::function<void(std::string_view)>& take);

}  // namespace tickstock::json
