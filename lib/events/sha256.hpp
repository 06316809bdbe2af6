#pragma once

#include <fmt/format.h>
#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "domain/error.hpp"

namespace tickstock::events {

/// SHA-256 over a sequence of texts, each with its length in front, so that no two sequences give
/// the same bytes.
class Sha256 {
 public:
  Sha256() { require(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr)); }

  Sha256& add(std::string_view text) {
    add(std::uint64_t{text.size()});
    return update(text);
  }
  Sha256& add(std::uint64_t number) {
    std::array<char, 8> bytes{};
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(number >> (8 * i));
    return update({bytes.data(), bytes.size()});
  }

  /// Returns the hash as 64 hexadecimal digits. Call it once, at the end.
  std::string hex() {
    std::array<unsigned char, 32> hash{};
    flush();
    require(EVP_DigestFinal_ex(context_.get(), hash.data(), nullptr));
    return fmt::format("{:02x}", fmt::join(hash, ""));
  }

 private:
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };

  static void require(int success) {
    if (success != 1) throw Error(ErrorKind::failed, "OpenSSL can't compute SHA-256");
  }
  Sha256& update(std::string_view bytes) {
    constexpr std::size_t enough = 4096;
    buffer_ += bytes;
    if (buffer_.size() >= enough) flush();
    return *this;
  }
  void flush() {
    require(EVP_DigestUpdate(context_.get(), buffer_.data(), buffer_.size()));
    buffer_.clear();
  }

  std::unique_ptr<EVP_MD_CTX, FreeContext> context_{EVP_MD_CTX_new()};
  std::string buffer_;  ///< a call of OpenSSL for each short text would take longer than the hash
};

}  // namespace tickstock::events
