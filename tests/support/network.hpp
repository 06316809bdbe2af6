#pragma once

namespace tickstock::test {

/// A port of 127.0.0.1 where nothing listens, below the range from which the kernel serves outgoing
/// connections: a service that is stopped and started again finds its port still free.
int free_port();

}  // namespace tickstock::test
