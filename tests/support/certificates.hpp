#pragma once

#include <string>

#include "temporary_directory.hpp"

namespace tickstock::test {

/// Certificates made by the test for a server on this machine, each NAME as NAME.crt and NAME.key:
/// `good`; `wrong_host`, issued for another host; `expired`; all three signed by `ca`.
/// `private.key` is the key of `good`, readable by nobody else. `other` is an authority that signed
/// none of them.
class Certificates {
 public:
  Certificates();

  /// Returns the path of NAME.crt or NAME.key.
  std::string file(const std::string& name) const { return directory_.file(name); }

 private:
  void shell(const std::string& command) const;
  void sign(const std::string& name, const std::string& names, const std::string& last_day) const;

  TemporaryDirectory directory_;
};

}  // namespace tickstock::test
