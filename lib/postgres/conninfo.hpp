#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tickstock::postgres {

/// The parameters of a connection that have a value, in libpq's order.
using Options = std::vector<std::pair<std::string, std::string>>;

/// Returns the value of a parameter, empty where it has none.
std::string value_of(const Options& options, std::string_view keyword);

/// Where no file is: libpq then looks for no password, and complains of no file.
inline constexpr const char* no_password_file = "/no/password/file";

/// Returns what libpq makes of a conninfo, its environment and its service file. \throws Error
/// (config) for an unknown service.
Options effective_options(const std::string& conninfo);

/// Returns what a conninfo says of the password file, or else libpq's environment; empty where
/// neither does.
std::string password_file_of(const std::string& conninfo);

/// Returns what is wrong with a string as a conninfo that libpq takes, without printing it: libpq's
/// own words would echo parts of a password. Empty where nothing is.
std::string conninfo_problem(const std::string& conninfo);

/// Returns what is wrong with the value of a parameter, wherever it was given, in words that
/// continue the name of where it stands and don't repeat the value; empty where nothing is. libpq
/// itself would find it only while connecting, when it looks like a server that can't be reached.
std::string parameter_problem(std::string_view keyword, std::string_view value);

/// Returns whether the name of a database looks like a URL or conninfo, which libpq would not read
/// as such but print, with a password that may be in it.
bool holds_conninfo(std::string_view database);

/// Returns whether a conninfo holds a password. It must be one without a conninfo_problem.
bool conninfo_has_password(const std::string& conninfo);

/// Returns a conninfo, or where it is empty the server that libpq's own environment names, as
/// keywords and values without a password.
std::string shown_conninfo(const std::string& conninfo);

/// Returns the number of a text that is a whole number and nothing else.
std::optional<int> whole_number(std::string_view text);

/// Returns the parts of a list; an empty one is one empty part.
std::vector<std::string> split(std::string_view list, char separator);

/// \throws Error (config) that says why the connection can't be used.
[[noreturn]] void fail_unusable(const std::string& why);

}  // namespace tickstock::postgres
