#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tickstock::postgres {

/// The parameters of a connection that have a value, in libpq's order.
using Options = std::vector<std::pair<std::string, std::string>>;

/// Returns the value of a parameter, empty if it has none.
std::string value_of(const Options& options, std::string_view keyword);

/// A file that doesn't exist: libpq then looks for no password, and complains about no file.
inline constexpr const char* no_password_file = "/no/password/file";

/// Returns the parameters that libpq takes from a conninfo, its environment and its service file.
/// \throws Error (config) for an unknown service.
Options effective_options(const std::string& conninfo);

/// Returns the password file that a conninfo or else libpq's environment names; empty if neither
/// does.
std::string password_file_of(const std::string& conninfo);

/// Returns what is wrong with a conninfo, empty if nothing is. It never quotes libpq, whose
/// messages repeat parts of a password.
std::string conninfo_problem(const std::string& conninfo);

/// Returns what is wrong with the value of a parameter, as the rest of a sentence about its source
/// and without the value; empty if nothing is. libpq itself would notice only while connecting,
/// where it looks like a server that can't be reached.
std::string parameter_problem(std::string_view keyword, std::string_view value);

/// Returns whether the name of a database looks like a URL or conninfo. libpq would not read it as
/// one but print it, with any password in it.
bool holds_conninfo(std::string_view database);

/// Returns whether a conninfo holds a password. It must be one without a conninfo_problem.
bool conninfo_has_password(const std::string& conninfo);

/// Returns a conninfo, or if it is empty the server that libpq's environment names, as keywords and
/// values without a password.
std::string shown_conninfo(const std::string& conninfo);

/// Returns the parts of a list; an empty one is one empty part.
std::vector<std::string> split(std::string_view list, char separator);

/// \throws Error (config) that says why the connection can't be used.
[[noreturn]] void fail_unusable(const std::string& why);

}  // namespace tickstock::postgres
