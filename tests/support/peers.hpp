#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace tickstock::test {

/// A port of this machine that neither accepts nor refuses connections: packets to it vanish, as
/// behind a firewall.
class BlackHole {
 public:
  /// \param port a free one if not given
  explicit BlackHole(const std::string& address = "127.0.0.1", int port = 0);
  ~BlackHole();
  BlackHole(const BlackHole&) = delete;
  BlackHole& operator=(const BlackHole&) = delete;

  int port() const { return port_; }

 private:
  int listener_ = -1;
  std::vector<int> fillers_;
  int port_ = 0;
};

/// A private server on this machine: passes each connection to `serve` in a thread, and closes it
/// when that returns. `serve` must return soon after stopping() is true.
class TcpServer {
 public:
  using Serve = std::function<void(int fd, const TcpServer& server)>;

  /// \param port a free one if not given
  explicit TcpServer(Serve serve, const std::string& address = "127.0.0.1", int port = 0);
  ~TcpServer();
  TcpServer(const TcpServer&) = delete;
  TcpServer& operator=(const TcpServer&) = delete;

  int port() const { return port_; }
  bool stopping() const { return stopping_; }
  /// Sends all of it. \return false if the peer is gone.
  static bool send_all(int fd, const std::string& bytes);
  /// Returns whether the descriptor becomes readable within a moment.
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

/// A proxy for a PostgreSQL server, without TLS, that breaks a COMMIT on its way.
class CommitProxy {
 public:
  enum class Mode {
    drop_before,   ///< cuts the connection instead of forwarding it
    drop_after,    ///< forwards it, and cuts the connection before the answer gets through
    hang_before,   ///< keeps it, and both connections
    hang_after,    ///< forwards it, and keeps the answer
    vanish_after,  ///< as drop_after, and takes no connection any more
  };

  /// \param commit which COMMIT of a connection to break, from 1; later connections pass
  CommitProxy(int server_port, Mode mode, int commit);

  int port() const { return server_.port(); }
  /// Returns whether it has broken its COMMIT.
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

/// A proxy for a PostgreSQL server, without TLS, that hides from its clients at login that it is a
/// standby, as servers before version 14 and some poolers do.
class ReticentProxy {
 public:
  explicit ReticentProxy(int server_port);

  int port() const { return server_.port(); }

 private:
  TcpServer server_;
};

/// A proxy for a PostgreSQL server without TLS that offers TLS itself, as one in front of a cluster
/// does. It collects what the server sends until that pauses, and passes it on in the longest
/// records that TLS has, of which the last one is full.
class TlsProxy {
 public:
  /// \param certificate a file, and its key in another one
  TlsProxy(int server_port, const std::string& certificate, const std::string& key);

  int port() const { return server_.port(); }
  /// Returns whether an answer needed more than one record.
  bool filled_one() const { return filled_one_; }

 private:
  std::atomic<bool> filled_one_{false};
  TcpServer server_;
};

/// A proxy for a PostgreSQL server, without TLS, that counts round trips: answers that begin after
/// something was sent.
class CountingProxy {
 public:
  explicit CountingProxy(int server_port);

  int port() const { return server_.port(); }
  int round_trips() const { return round_trips_; }

 private:
  std::atomic<int> round_trips_{0};
  TcpServer server_;
};

/// A proxy for a PostgreSQL server, without TLS, that breaks the second of the connections made
/// through it; all others pass.
class SecondProxy {
 public:
  enum class How {
    hang,  ///< nothing gets through any more
    cut,   ///< the connection ends
    fail   ///< an error gets through instead, and what ends the statement
  };
  /// The message of the server at which to break: its type, and which of that type, from 1. Without
  /// a type, immediately.
  struct Spoil {
    How how;
    char type;
    int which;
  };
  /// Gets the name of a snapshot before the server that is asked for it does.
  using Told = std::function<void(const std::string& snapshot)>;

  SecondProxy(int server_port, const Spoil& spoil);
  /// Leads the second connection to another server.
  SecondProxy(int server_port, int other_port, Told told = {});

  int port() const { return server_.port(); }
  /// Returns whether the second connection was broken as requested.
  bool met() const { return met_; }

 private:
  void serve(int client, const TcpServer& server);
  void serve_second(int client, int upstream, const TcpServer& server);
  void tell(const std::string& bytes);
  bool pass(int client, std::string& received);
  static void keep(int client, const TcpServer& server);

  int server_port_;
  int other_port_;
  std::optional<Spoil> spoil_;
  Told told_;
  std::atomic<int> connections_{0};
  std::atomic<bool> met_{false};
  int seen_ = 0;         ///< of the type that is spoilt
  bool failed_ = false;  ///< until the statement ends
  bool hanging_ = false;
  TcpServer server_;
};

}  // namespace tickstock::test
