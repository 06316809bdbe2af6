#pragma once

namespace tickstock::test {

/// Returns a port of 127.0.0.1 where nothing listens, below the range that the kernel uses for
/// outgoing connections, so that a service that is stopped and restarted finds its port still free.
int free_port();

}  // namespace tickstock::test
