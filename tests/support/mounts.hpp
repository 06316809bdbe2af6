#pragma once

#include <string>

namespace tickstock::test {

/// A small file system in memory, or a file laid over another, that this test process and what it
/// starts see until the end of the scope, and nobody else. That takes root.
class PrivateMount {
 public:
  static bool possible();

  /// \throws std::runtime_error.
  static PrivateMount memory(const std::string& directory, const std::string& size);
  static PrivateMount over(const std::string& target, const std::string& file);

  ~PrivateMount();
  PrivateMount(const PrivateMount&) = delete;
  PrivateMount& operator=(const PrivateMount&) = delete;

 private:
  explicit PrivateMount(std::string target) : target_(std::move(target)) {}
  std::string target_;
};

}  // namespace tickstock::test
