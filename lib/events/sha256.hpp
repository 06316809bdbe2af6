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
    return update(text.data(), text.size());
  }
  Sha256& add(std::uint64_t number) {
    std::array<unsigned char, 8> bytes{};
    for (unsigned char& byte : bytes) {
      byte = static_cast<unsigned char>(number);
      number >>= 8U;
    }
    return update(bytes.data(), bytes.size());
  }

  /// Returns the hash as 64 hexadecimal digits. Call it once, at the end.
  std::string hex() {
    std::array<unsigned char, 32> hash{};
    require(EVP_DigestFinal_ex(context_.get(), hash.data(), nullptr));
    return fmt::format("{:02x}", fmt::join(hash, ""));
  }

 private:
  static void require(int success) {
    if (success != 1) throw Error(ErrorKind::failed, "OpenSSL can't compute SHA-256");
  }
  Sha256& update(const void* bytes, std::size_t size) {
    require(EVP_DigestUpdate(context_.get(), bytes, size));
    return *this;
  }

  std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context_{EVP_MD_CTX_new(),
                                                                   &EVP_MD_CTX_free};
};

}  // namespace tickstock::events
