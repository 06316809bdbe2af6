#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace tickstock::test {

/// A port of 127.0.0.1 that takes no connection and refuses none: packets to it vanish, as behind a
/// firewall.
class BlackHole {
 public:
  BlackHole();
  ~BlackHole();
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;

  int port() const { return port_; }

 private:
  int listener_ = -1;
  std::vector<int> fillers_;
  int port_ = 0;
};

/// A server of the test's own on 127.0.0.1: each connection is handed to `serve` in a thread, and
/// closed when that returns. `serve` must return soon after stopping() is true.
class TcpServer {
 public:
  using Serve = std::function<void(int fd, const TcpServer& server)>;

  explicit TcpServer(Serve serve);
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  int port() const { return port_; }
  bool stopping() const { return stopping_; }
  /// Sends all of it. \return false when the peer is gone.
  static bool send_all(int fd, const std::string& bytes);
  /// Whether the descriptor has something to read within a moment.
  static bool readable(int fd);

 private:
  void accept_all();

  Serve serve_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

/// A proxy before a PostgreSQL server, without TLS, that spoils a COMMIT on its way.
class CommitProxy {
 public:
  enum class Mode {
    drop_before,   ///< cuts the connection instead of forwarding it
    drop_after,    ///< forwards it, and cuts the connection before the answer gets through
    hang_before,   ///< keeps it, and both connections
    hang_after,    ///< forwards it, and keeps the answer
    vanish_after,  ///< as drop_after, and takes no connection any more
  };

  /// \param commit which COMMIT of a connection is spoiled, from 1; later connections pass
  CommitProxy(int server_port, Mode mode, int commit);

  int port() const { return server_.port(); }
  /// Whether it has spoilt its COMMIT.
  bool spoilt() const { return spoilt_; }

 private:
  void serve(int client, const TcpServer& server);
  void spoil(int upstream, const std::string& bytes, const TcpServer& server);

  int server_port_;
  Mode mode_;
  int commit_;
  std::atomic<bool> spoilt_{false};
  TcpServer server_;
};

/// A proxy before a PostgreSQL server, without TLS, that keeps from its clients what they are told
/// at login of its being a standby, as servers before version 14 and some poolers do.
class ReticentProxy {
 public:
  explicit ReticentProxy(int server_port);

  int port() const { return server_.port(); }

 private:
  TcpServer server_;
};

}  // namespace tickstock::test
