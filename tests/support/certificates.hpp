#pragma once

#include <string>

#include "temporary_directory.hpp"

namespace tickstock::test {

/// Certificates that the test makes for a server on this machine, each NAME as NAME.crt and
/// NAME.key: `good`; `wrong_host`, made out for another host; `expired`; all three signed by `ca`.
/// `private.key` is the key of `good` where nobody else can read it. `other` is an authority that
/// has signed none of them.
class Certificates {
 public:
  Certificates();

  /// The path of NAME.crt or NAME.key.
  std::string file(const std::string& name) const { return directory_.file(name); }

 private:
  void shell(const std::string& command) const;
  void sign(const std::string& name, const std::string& names, const std::string& last_day) const;

  TemporaryDirectory directory_;
};

}  // namespace tickstock::test
