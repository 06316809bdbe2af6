#include "temporary_directory.hpp"

#include <fmt/format.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <system_error>

namespace tickstock::test {

TemporaryDirectory::TemporaryDirectory(const std::string& parent) {
  std::string name = parent + "/tickstock-test-XXXXXX";
  if (::mkdtemp(name.data()) == nullptr) {
    throw std::runtime_error(fmt::format("mkdtemp {}: {}", name, std::strerror(errno)));
  }
  path_ = name;
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void TemporaryDirectory::open_to_services() const {
  std::filesystem::permissions(path_, std::filesystem::perms(0711));
}

std::string TemporaryDirectory::write(const std::string& name, const std::string& text,
                                      unsigned mode) const {
  std::string path = file(name);
  std::ofstream stream(path, std::ios::binary | std::ios::trunc);
  stream << text;
  stream.close();
  if (!stream || ::chmod(path.c_str(), mode) != 0) {
    throw std::runtime_error(fmt::format("cannot write {}", path));
  }
  return path;
}

std::string file_text(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

}  // namespace tickstock::test
