#include "mounts.hpp"

#include <sched.h>
#include <sys/mount.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace tickstock::test {

namespace {

void require(int result, const std::string& what) {
  const int error = errno;
  if (result != 0) throw std::runtime_error(what + ": " + std::strerror(error));
}

/// From now on, mounts stay private to this process.
void part_from_others() {
  static bool done = false;
  if (done) return;
  require(::unshare(CLONE_NEWNS), "unshare");
  require(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), "mount");
  done = true;
}

}  // namespace

bool PrivateMount::possible() { return ::geteuid() == 0; }

PrivateMount PrivateMount::memory(const std::string& directory, const std::string& size) {
  part_from_others();
  const std::string options = "mode=0777,size=" + size;
  require(::mount("tmpfs", directory.c_str(), "tmpfs", 0, options.c_str()), "mount " + directory);
  return PrivateMount(directory);
}

PrivateMount PrivateMount::over(const std::string& target, const std::string& file) {
  part_from_others();
  require(::mount(file.c_str(), target.c_str(), nullptr, MS_BIND, nullptr), "mount " + target);
  return PrivateMount(target);
}

PrivateMount::~PrivateMount() { ::umount2(target_.c_str(), MNT_DETACH); }

}  // namespace tickstock::test
