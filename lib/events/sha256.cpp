#include "events/sha256.hpp"

#include <unistd.h>

#include <vector>

#include "domain/error.hpp"

namespace tickstock::events {

namespace {

std::string hex_of(const unsigned char* bytes, std::size_t size) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string text;
  for (std::size_t i = 0; i < size; ++i) {
    text += digits[bytes[i] >> 4];
    text += digits[bytes[i] & 15];
  }
  return text;
}

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_ || EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr) != 1) {
    throw Error(ErrorKind::failed, "OpenSSL can't compute SHA-256");
  }
}

void Sha256::update(std::string_view bytes) {
  constexpr std::size_t enough = 4096;
  buffer_ += bytes;
  if (buffer_.size() >= enough) flush();
}

void Sha256::flush() {
  if (EVP_DigestUpdate(context_.get(), buffer_.data(), buffer_.size()) != 1) {
    throw Error(ErrorKind::failed, "OpenSSL can't compute SHA-256");
  }
  buffer_.clear();
}

Sha256& Sha256::add(std::string_view text) {
  add(std::uint64_t{text.size()});
  update(text);
  return *this;
}

Sha256& Sha256::add(std::uint64_t number) {
  std::array<char, 8> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(number >> (8 * i));
  update({bytes.data(), bytes.size()});
  return *this;
}

std::array<unsigned char, 32> Sha256::bytes() {
  flush();
  std::array<unsigned char, 32> digest{};
  if (EVP_DigestFinal_ex(context_.get(), digest.data(), nullptr) != 1) {
    throw Error(ErrorKind::failed, "OpenSSL can't compute SHA-256");
  }
  return digest;
}

std::string Sha256::hex() {
  const auto digest = bytes();
  return hex_of(digest.data(), digest.size());
}

std::string uuid_of(std::string_view run_id, std::string_view task, std::string_view universe,
                    std::string_view symbol, std::uint64_t position) {
  auto digest =
      Sha256().add("event").add(run_id).add(task).add(universe).add(symbol).add(position).bytes();
  digest[6] = static_cast<unsigned char>((digest[6] & 0x0f) | 0x80);
  digest[8] = static_cast<unsigned char>((digest[8] & 0x3f) | 0x80);
  std::string uuid = hex_of(digest.data(), 16);
  for (const std::size_t dash : std::array<std::size_t, 4>{20, 16, 12, 8})
    uuid.insert(dash, 1, '-');
  return uuid;
}

std::string random_hex(std::size_t bytes) {
  // The system's own: OpenSSL's needs two milliseconds to begin, of the thirty of a small night.
  std::vector<unsigned char> random(bytes);
  if (::getentropy(random.data(), random.size()) != 0) {
    throw Error(ErrorKind::failed, "the system has no random bytes");
  }
  return hex_of(random.data(), random.size());
}

}  // namespace tickstock::events
