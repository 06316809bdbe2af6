#pragma once

#include "io/wait.hpp"

namespace tickstock::test {

/// Returns a Patience without a budget or a signal.
inline io::Patience& unlimited() {
  static io::Patience patience;
  return patience;
}

}  // namespace tickstock::test
