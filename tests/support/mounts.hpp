#pragma once

#include <string>

namespace tickstock::test {

/// A small file system in memory, or a file mounted over another, that only this test process and
/// its children see until the end of the scope. Requires root.
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
