#include "store/binary_copy.hpp"

#include <chrono>

#include "domain/error.hpp"

namespace tickstock::store {

namespace {

constexpr std::string_view signature("PGCOPY\n\377\r\n\0", 11);

std::uint32_t big_endian(std::string_view bytes) {
  std::uint32_t value = 0;
  for (const char byte : bytes) value = (value << 8) | static_cast<unsigned char>(byte);
  return value;
}

std::int32_t int32_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::int32_t>(big_endian(bytes.substr(at, 4)));
}

[[noreturn]] void malformed() {
  throw Error(ErrorKind::failed, "PostgreSQL sent rows in a format that can't be read");
}

}  // namespace

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
    // Signature, flags, and an extension area with its length in front.
    if (bytes.size() < 19) return 0;
    if (bytes.substr(0, signature.size()) != signature) malformed();
    const std::size_t size = 19 + big_endian(bytes.substr(15, 4));
    if (bytes.size() < size) return 0;
    header_read_ = true;
    return size;
  }
  if (ended_ && !bytes.empty()) malformed();
  if (bytes.size() < 2) return 0;
  const std::uint32_t count = big_endian(bytes.substr(0, 2));
  if (count == 0xffff) {  // the trailer
    ended_ = true;
    return 2;
  }
  if (count != width_) malformed();
  fields_.clear();
  std::size_t at = 2;
  for (std::uint32_t i = 0; i < count; ++i) {
    if (bytes.size() < at + 4) return 0;
    const std::int32_t size = int32_at(bytes, at);
    at += 4;
    if (size < -1) malformed();
    if (size == -1) {
      fields_.emplace_back();
      continue;
    }
    if (bytes.size() < at + static_cast<std::size_t>(size)) return 0;
    fields_.emplace_back(bytes.substr(at, static_cast<std::size_t>(size)));
    at += static_cast<std::size_t>(size);
  }
  take_(fields_);
  return at;
}

std::optional<Day> copy_day(const CopyField& field) {
  if (!field) return std::nullopt;
  if (field->size() != 4) malformed();
  const std::int32_t days = int32_at(*field, 0);
  constexpr Day epoch{std::chrono::year{2000} / 1 / 1};
  constexpr Day first{std::chrono::year::min() / 1 / 1};
  constexpr Day last{std::chrono::year::max() / 12 / 31};
  // PostgreSQL's years go beyond those of std::chrono, on either side of any market.
  if (days > (last - epoch).count()) return Day::max();
  if (days < (first - epoch).count()) return Day::min();
  return epoch + std::chrono::days{days};
}

std::optional<bool> copy_boolean(const CopyField& field) {
  if (!field) return std::nullopt;
  if (field->size() != 1) malformed();
  return field->front() != 0;
}

}  // namespace tickstock::store
