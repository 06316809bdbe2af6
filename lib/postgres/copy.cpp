#include "postgres/copy.hpp"

#include <fmt/format.h>
#include <poll.h>

#include <array>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <memory>

#include "domain/error.hpp"

namespace tickstock::postgres {

namespace {

constexpr std::string_view signature("PGCOPY\n\377\r\n\0", 11);

// These require that the bytes exist. Written out like this, each compiles to one load and one
// swap.

std::uint32_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<unsigned char>(bytes.data()[at]);
}

std::uint32_t uint16_at(std::string_view bytes, std::size_t at) {
  return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1);
}

std::uint32_t uint32_at(std::string_view bytes, std::size_t at) {
  return byte_at(bytes, at) << 24 | byte_at(bytes, at + 1) << 16 | byte_at(bytes, at + 2) << 8 |
         byte_at(bytes, at + 3);
}

// TRUNCATE and whatever rewrites or replaces a table leave nothing for an older snapshot to read: a
// reader that has waited for them would take the table for empty. The snapshot still knows the old
// file of each table that the transaction has read.
constexpr std::string_view rewritten_sql = R"(;
SELECT l.relation::regclass::text
  FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_class c ON c.oid = l.relation
 WHERE l.pid = pg_backend_pid() AND l.locktype = 'relation' AND l.relation >= 16384
   AND (c.oid IS NULL
        OR c.relkind IN ('r', 'm') AND c.relfilenode <> pg_relation_filenode(l.relation))
 LIMIT 1)";

[[noreturn]] void malformed() {
  throw Error(ErrorKind::failed, "PostgreSQL sent rows in a format that can't be read");
}

/// The digits of a numeric, in groups of four, and the power of ten of the last digit.
struct Decimal {
  std::string_view groups;
  int exponent;

  [[nodiscard]] std::size_t size() const { return groups.size() / 2; }
  [[nodiscard]] std::uint32_t group(std::size_t i) const {
    const std::uint32_t group = uint16_at(groups, 2 * i);
    if (group > 9999) malformed();
    return group;
  }
};

/// Returns the exact conversion if the digits and the power of ten are both doubles themselves, so
/// that one operation rounds once (Clinger, How to Read Floating Point Numbers Accurately, 1990).
std::optional<double> exactly(const Decimal& decimal) {
  constexpr std::uint64_t limit = std::uint64_t{1} << 53;
  constexpr std::array<double, 23> powers{1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                          1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                          1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  if (decimal.size() > 4) return std::nullopt;
  std::uint64_t digits = 0;
  for (std::size_t i = 0; i < decimal.size(); ++i) digits = digits * 10'000 + decimal.group(i);
  const auto power = static_cast<std::size_t>(std::abs(decimal.exponent));
  if (digits > limit || power >= powers.size()) return std::nullopt;
  const auto whole = static_cast<double>(digits);
  return decimal.exponent < 0 ? whole / powers[power] : whole * powers[power];
}

double by_text(const Decimal& decimal) {
  std::string text = "0";
  for (std::size_t i = 0; i < decimal.size(); ++i) text += fmt::format("{:04}", decimal.group(i));
  // Without a decimal point, the locale does not matter.
  return std::strtod(fmt::format("{}e{}", text, decimal.exponent).c_str(), nullptr);
}

}  // namespace

CopyOut::~CopyOut() {
  if (running_ && PQtransactionStatus(connection_.connection_.get()) == PQTRANS_ACTIVE) {
    connection_.stop();
  }
}

void CopyOut::begin() { send(statement_.sql); }

void CopyOut::send(std::string sql) {
  deadline_ = connection_.statement_deadline();
  sql += rewritten_sql;
  if (PQsendQuery(connection_.connection_.get(), sql.c_str()) != 1) {
    throw connection_.lost(statement_.doing);
  }
  running_ = true;
  connection_.flush(deadline_, statement_.doing);
}

void CopyOut::finish() {
  while (advance()) connection_.wait(POLLIN, deadline_, statement_.doing);
}

void CopyOut::finish_in_turn(CopyOut& first, CopyOut& second,
                             const std::function<void()>& between) {
  first.ends_with_command_ = true;
  first.send(first.statement_.sql + ";" + second.statement_.sql);
  first.finish();
  second.deadline_ = second.connection_.statement_deadline();
  second.running_ = true;
  between();
  second.finish();
}

std::optional<Error> CopyOut::finish_both(CopyOut& first, CopyOut& second,
                                          std::chrono::milliseconds longest_silence) {
  std::optional<Error> failure;
  bool second_runs = true;
  const auto try_second = [&failure, &second_runs](const auto& step) {
    try {
      step();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      failure = error;
      second_runs = false;
    }
  };
  Connection& beside = second.connection_;
  const std::string& doing = second.statement_.doing;
  while (first.advance()) {
    if (second_runs) try_second([&] { second_runs = second.advance(); });
    first.connection_.wait(POLLIN, first.deadline_, first.statement_.doing,
                           second_runs ? &beside : nullptr);
    if (second_runs) try_second([&] { beside.consume_input(doing); });
  }
  while (second_runs) {
    try_second([&] {
      second_runs = second.advance();
      const io::Deadline silence = io::Deadline::after(longest_silence);
      if (second_runs) beside.wait(POLLIN, second.deadline_.earlier(silence), doing);
    });
  }
  return failure;
}

bool CopyOut::advance() {
  if (!running_) begin();
  PGconn* raw = connection_.connection_.get();
  for (;;) {
    while (has_rows_) {
      char* bytes = nullptr;
      const int size = PQgetCopyData(raw, &bytes, 1);
      if (size < -1) throw connection_.lost(statement_.doing);
      if (size == 0) return true;
      has_rows_ = size > 0;
      const std::unique_ptr<char, decltype(&PQfreemem)> owner(bytes, &PQfreemem);
      if (has_rows_) take_(std::string_view(bytes, static_cast<std::size_t>(size)));
    }
    if (PQisBusy(raw) != 0) return true;
    const Result result(PQgetResult(raw));
    if (!connection_.usable()) throw connection_.lost(statement_.doing);
    if (result.get() == nullptr) break;
    if (result.status() == PGRES_COPY_OUT) {
      has_rows_ = true;
      // The time limit for the answer ends here, and that for the rows begins.
      deadline_ = connection_.statement_deadline();
    } else if (result.status() == PGRES_TUPLES_OK && result.rows() > 0) {
      const std::string table = result.text(0, 0);
      failure_ = Error(ErrorKind::retryable, table + " was rewritten while it was being read",
                       {.object = table, .hint = "Run again."});
    } else if (result.failed()) {
      failure_ = connection_.error_of(result, statement_.doing);
    } else if (ends_with_command_) {
      break;
    }
  }
  running_ = false;
  if (failure_) throw Error(*failure_);
  return false;
}

void BinaryCopyReader::feed(std::string_view bytes) {
  if (!rest_.empty()) {
    rest_.append(bytes);
    bytes = rest_;
  }
  while (const std::size_t used = consume(bytes)) bytes.remove_prefix(used);
  rest_ = std::string(bytes);
}

std::size_t BinaryCopyReader::consume(std::string_view bytes) {
  if (!header_read_) {
    // Signature, flags, and an extension area preceded by its length.
    if (bytes.size() < 19) return 0;
    if (bytes.substr(0, signature.size()) != signature) malformed();
    const std::size_t size = 19 + std::size_t{uint32_at(bytes, 15)};
    if (bytes.size() < size) return 0;
    header_read_ = true;
    return size;
  }
  if (ended_ && !bytes.empty()) malformed();
  if (bytes.size() < 2) return 0;
  const std::uint32_t count = uint16_at(bytes, 0);
  if (count == 0xffff) {  // the trailer
    ended_ = true;
    return 2;
  }
  if (count != width_) malformed();
  fields_.clear();
  std::size_t at = 2;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (bytes.size() < at + 4) return 0;
    const auto size = static_cast<std::int32_t>(uint32_at(bytes, at));
    at += 4;
    if (size < -1) malformed();
    if (size == -1) {
      fields_.emplace_back();
      continue;
    }
    if (bytes.size() < at + static_cast<std::size_t>(size)) return 0;
    fields_.emplace_back(std::string_view(bytes.data() + at, static_cast<std::size_t>(size)));
    at += static_cast<std::size_t>(size);
  }
  take_(fields_);
  return at;
}

std::optional<Day> copy_day(const CopyField& field) {
  if (!field) return std::nullopt;
  if (field->size() != 4) malformed();
  const auto days = static_cast<std::int32_t>(uint32_at(*field, 0));
  constexpr std::chrono::sys_days epoch{std::chrono::year{2000} / 1 / 1};
  constexpr std::chrono::sys_days first{std::chrono::year::min() / 1 / 1};
  constexpr std::chrono::sys_days last{std::chrono::year::max() / 12 / 31};
  // PostgreSQL's years exceed those of std::chrono, both before and after any market.
  if (days > (last - epoch).count()) return Day::max();
  if (days < (first - epoch).count()) return Day::min();
  return epoch + std::chrono::days{days};
}

double copy_numeric(const CopyField& field) {
  constexpr double nan = std::numeric_limits<double>::quiet_NaN();
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (!field) return nan;
  if (field->size() < 8) malformed();
  // The number of groups, the weight of the first, the sign, and the number of displayed digits.
  const auto count = static_cast<int>(uint16_at(*field, 0));
  const int weight = static_cast<std::int16_t>(uint16_at(*field, 2));
  const std::uint32_t sign = uint16_at(*field, 4);
  if (field->size() != 8 + 2 * static_cast<std::size_t>(count)) malformed();
  switch (sign) {
    case 0x0000:
    case 0x4000: break;
    case 0xc000: return nan;
    case 0xd000: return infinity;
    case 0xf000: return -infinity;
    default: malformed();
  }
  const Decimal decimal{field->substr(8), 4 * (weight - count + 1)};
  const auto exact = exactly(decimal);
  const double value = exact ? *exact : by_text(decimal);
  return sign == 0 ? value : -value;
}

std::optional<bool> copy_boolean(const CopyField& field) {
  if (!field) return std::nullopt;
  if (field->size() != 1) malformed();
  return field->front() != 0;
}

}  // namespace tickstock::postgres
