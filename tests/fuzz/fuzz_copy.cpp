#include <cmath>
#include <optional>

#include "domain/error.hpp"
#include "fuzz/targets.hpp"
#include "postgres/copy.hpp"

namespace tickstock::fuzz {

namespace {

using Row = std::vector<std::optional<std::string>>;

struct Outcome {
  std::vector<Row> rows;
  bool failed = false;

  bool operator==(const Outcome&) const = default;
};

/// Reads a field as each type of column it may belong to.
void look(const postgres::CopyField& field) {
  const auto read = [&field](auto reader, std::size_t size) {
    try {
      require(reader(field).has_value() == field.has_value(), "NULL and no value are not the same");
      require(!field || field->size() == size, "a value of a wrong size is read");
    } catch (const Error& error) {
      require(error.kind() == ErrorKind::failed, "an error of another kind");
      require(field && field->size() != size, "a value of the right size is refused");
    }
  };
  try {
    const double number = postgres::copy_numeric(field);
    require(field || std::isnan(number), "NULL is read as a number");
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::failed, "an error of another kind");
    require(field.has_value(), "NULL is refused");
  }
  read(postgres::copy_day, 4);
  read(postgres::copy_boolean, 1);
}

Outcome read(const std::vector<std::string_view>& pieces, std::size_t width) {
  Outcome outcome;
  postgres::BinaryCopyReader reader(
      width, [&outcome, width](std::span<const postgres::CopyField> fields) {
        require(fields.size() == width, "a row of another width");
        Row& row = outcome.rows.emplace_back();
        for (const postgres::CopyField& field : fields) {
          look(field);
          row.push_back(field ? std::optional<std::string>(*field) : std::nullopt);
        }
      });
  try {
    for (const std::string_view piece : pieces) reader.feed(piece);
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::failed, "an error of another kind");
    outcome.failed = true;
  }
  return outcome;
}

std::string number(std::size_t value, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
    text += static_cast<char>(value >> shift);
  return text;
}

/// Returns the bytes of the rows, without header and trailer.
std::string written(const std::vector<Row>& rows) {
  std::string text;
  for (const Row& row : rows) {
    text += number(row.size(), 2);
    for (const auto& field : row) {
      text += field ? number(field->size(), 4) + *field : number(0xffffffff, 4);
    }
  }
  return text;
}

}  // namespace

/// Tests rows in PostgreSQL's binary format. The first line of an input is the width of the rows,
/// the second the sizes of the pieces, the rest the rows. A header is prepended unless the width is
/// followed by `!`.
void fuzz_copy(std::string_view input) {
  const std::string_view first = take_line(input);
  const std::string_view sizes = take_line(input);
  const std::size_t width = first.empty() ? 0 : static_cast<unsigned char>(first[0]) % 8;
  std::string bytes = expanded(input);
  if (first.find('!') == std::string_view::npos) {
    bytes = std::string("PGCOPY\n\377\r\n\0", 11) + std::string(8, '\0') + bytes;
    const Outcome rows = read({bytes}, width);
    require(bytes.find(written(rows.rows), 19) == 19, "the rows are not what the bytes say");
  }
  require(read(pieces(bytes, sizes), width) == read({bytes}, width), "pieces change the rows");
}

}  // namespace tickstock::fuzz
