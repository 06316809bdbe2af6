#include "session.hpp"

#include <fmt/format.h>
#include <libpq-fe.h>
#include <poll.h>

#include <array>
#include <chrono>
#include <stdexcept>

namespace tickstock::test {

namespace {

constexpr std::chrono::seconds statement_limit{120};

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) {
    text.pop_back();
  }
  return text;
}

bool good(const PGresult* result) {
  switch (PQresultStatus(result)) {
    case PGRES_EMPTY_QUERY:
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_COPY_IN: return true;
    default: return false;
  }
}

}  // namespace

void Session::Finish::operator()(pg_conn* connection) const { PQfinish(connection); }

void Session::Clear::operator()(pg_result* result) const { PQclear(result); }

Session::Session(const std::string& url) {
  const std::array<const char*, 4> keywords = {"dbname", "connect_timeout", "client_encoding",
                                               nullptr};
  const std::array<const char*, 4> values = {url.c_str(), "30", "UTF8", nullptr};
  connection_.reset(PQconnectdbParams(keywords.data(), values.data(), 1));
  if (PQstatus(connection_.get()) != CONNECTION_OK) {
    fail("connect");
  }
  PQsetNoticeProcessor(
      connection_.get(), [](void*, const char*) {}, nullptr);
}

void Session::fail(const std::string& what) const {
  throw std::runtime_error(fmt::format("{}: {}", what, trimmed(PQerrorMessage(connection_.get()))));
}

Session::Result Session::next_result() {
  using Clock = std::chrono::steady_clock;
  PGconn* const connection = connection_.get();
  const auto end = Clock::now() + statement_limit;
  while (PQisBusy(connection) == 1) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    pollfd wanted{PQsocket(connection), POLLIN, 0};
    if (left.count() <= 0 || ::poll(&wanted, 1, static_cast<int>(left.count())) == 0) {
      throw std::runtime_error("a statement of the test itself did not end in time");
    }
    if (PQconsumeInput(connection) == 0) {
      fail("connection lost");
    }
  }
  return Result(PQgetResult(connection));
}

Session::Result Session::last_result() {
  Result last;
  std::string error;
  while (Result result = next_result()) {
    if (!good(result.get()) && error.empty()) {
      error = trimmed(PQresultErrorMessage(result.get()));
    }
    const bool copying = PQresultStatus(result.get()) == PGRES_COPY_IN;
    last = std::move(result);
    if (copying) {
      break;
    }
  }
  if (!error.empty()) {
    throw std::runtime_error(error);
  }
  if (!last) {
    fail("no answer");
  }
  return last;
}

Session::Result Session::run(const std::string& sql, const Parameters& parameters) {
  std::vector<const char*> values;
  values.reserve(parameters.size());
  for (const auto& parameter : parameters) {
    values.push_back(parameter ? parameter->c_str() : nullptr);
  }
  // The simple protocol takes several statements, the extended one parameters.
  const int sent = parameters.empty() ? PQsendQuery(connection_.get(), sql.c_str())
                                      : PQsendQueryParams(connection_.get(), sql.c_str(),
                                                          static_cast<int>(values.size()), nullptr,
                                                          values.data(), nullptr, nullptr, 0);
  if (sent == 0) {
    fail("send");
  }
  return last_result();
}

void Session::execute(const std::string& sql, const Parameters& parameters) {
  run(sql, parameters);
}

Rows Session::rows(const std::string& sql, const Parameters& parameters) {
  const Result result = run(sql, parameters);
  const int columns = PQnfields(result.get());
  Rows all(static_cast<std::size_t>(PQntuples(result.get())));
  int row = 0;
  for (auto& fields : all) {
    fields.reserve(static_cast<std::size_t>(columns));
    for (int column = 0; column < columns; ++column) {
      fields.emplace_back(PQgetvalue(result.get(), row, column),
                          static_cast<std::size_t>(PQgetlength(result.get(), row, column)));
    }
    ++row;
  }
  return all;
}

std::vector<std::string> Session::column(const std::string& sql, const Parameters& parameters) {
  std::vector<std::string> values;
  for (auto& row : rows(sql, parameters)) {
    values.push_back(std::move(row.at(0)));
  }
  return values;
}

std::string Session::value(const std::string& sql, const Parameters& parameters) {
  const Rows all = rows(sql, parameters);
  if (all.empty() || all.front().empty()) {
    throw std::runtime_error("no row: " + sql);
  }
  return all.front().front();
}

void Session::copy_in(const std::string& target, std::string_view text,
                      const std::string& options) {
  run(fmt::format("COPY {} FROM STDIN WITH ({})", target, options), {});
  if (PQputCopyData(connection_.get(), text.data(), static_cast<int>(text.size())) != 1 ||
      PQputCopyEnd(connection_.get(), nullptr) != 1) {
    fail("COPY");
  }
  last_result();
}

int Session::backend_pid() const { return PQbackendPID(connection_.get()); }

}  // namespace tickstock::test
