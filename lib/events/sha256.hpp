#pragma once

#include <openssl/evp.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace tickstock::events {

/// SHA-256 over a sequence of texts, each with its length in front, so that no two sequences give
/// the same bytes.
class Sha256 {
 public:
  Sha256();
  Sha256& add(std::string_view text);
  Sha256& add(std::uint64_t number);
  /// Call it once, at the end.
  std::array<unsigned char, 32> bytes();
  /// The same as 64 hexadecimal digits.
  std::string hex();

 private:
  struct FreeContext {
    void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
  };
  void update(std::string_view bytes);
  void flush();

  std::unique_ptr<EVP_MD_CTX, FreeContext> context_;
  std::string buffer_;  ///< a call of OpenSSL for each short text would take longer than the hash
};

/// A UUID (version 8, RFC 9562) computed from texts: the same for the same texts.
std::string uuid_of(std::string_view run_id, std::string_view task, std::string_view universe,
                    std::string_view symbol, std::uint64_t position);

/// Up to 256 random bytes as hexadecimal digits. \throws Error (failed).
std::string random_hex(std::size_t bytes);

}  // namespace tickstock::events
