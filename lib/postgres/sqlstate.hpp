#pragma once

#include <libpq-fe.h>

#include <string>
#include <string_view>

#include "domain/error.hpp"

namespace tickstock::postgres {

/// What a caller should do about a SQLSTATE: try again, wait for the server, or call a person.
ErrorKind kind_of(std::string_view sqlstate);

/// Whether an error belongs to the row that was written (a constraint, a value, a trigger), so that
/// one task can fail alone.
bool is_error_of_entry(std::string_view sqlstate);

/// The failure that a result reports: what was being done, the server's words, and its SQLSTATE.
/// Details are left out, since they hold data of rows.
Error error_of(const PGresult* result, const std::string& doing);

/// Text of libpq, without its trailing line breaks and on one line.
std::string one_line(std::string_view text);

}  // namespace tickstock::postgres
