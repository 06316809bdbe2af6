#include "printable.hpp"

#include <fmt/format.h>

#include <cmath>

namespace tickstock::cli {

std::string printable(std::string_view text) {
  std::string safe;
  safe.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte == '\n') {
      safe += "\\n";
    } else if (byte < 0x20 || byte == 0x7f) {
      safe += fmt::format("\\x{:02x}", byte);
    } else if (byte == 0xc2 && i + 1 < text.size() &&
               static_cast<unsigned char>(text[i + 1]) < 0xa0) {
      // C1 controls, among them a one-character escape of terminals.
      safe += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[++i]));
    } else {
      safe += text[i];
    }
  }
  return safe;
}

std::string dollars(double amount) {
  if (!std::isfinite(amount)) return "-";
  if (amount >= 1e12) return fmt::format("${:.2f} T", amount / 1e12);
  if (amount >= 1e9) return fmt::format("${:.2f} B", amount / 1e9);
  if (amount >= 1e6) return fmt::format("${:.2f} M", amount / 1e6);
  return fmt::format("${:.0f}", amount);
}

std::string counted(std::uint64_t number, const std::string& one, const std::string& many) {
  return fmt::format("{} {}", number, number == 1 ? one : many);
}

}  // namespace tickstock::cli
