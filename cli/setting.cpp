#include "setting.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <numeric>

#include "environment.hpp"

namespace tickstock::cli {

namespace {

std::string toml_quoted(const std::string& text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
      result += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    } else {
      result += c;
    }
  }
  return result + '"';
}

struct AsToml {
  std::string operator()(bool value) const { return value ? "true" : "false"; }
  std::string operator()(std::int64_t value) const { return std::to_string(value); }
  std::string operator()(double value) const { return fmt::format("{:g}", value); }
  std::string operator()(const std::string& value) const { return toml_quoted(value); }
  std::string operator()(const std::vector<std::string>& values) const {
    std::string list;
    for (const std::string& each : values) list += (list.empty() ? "" : ", ") + toml_quoted(each);
    return "[" + list + "]";
  }
};

/// In how many letters two words differ: one too many, one missing, one for another, or two that
/// changed places.
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> cost(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  std::iota(cost[0].begin(), cost[0].end(), 0U);
  for (std::size_t i = 1; i <= a.size(); ++i) {
    cost[i][0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      cost[i][j] = std::min({cost[i - 1][j] + 1, cost[i][j - 1] + 1,
                             cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
      }
    }
  }
  return cost[a.size()][b.size()];
}

std::string one_of(const std::vector<std::string>& choices) {
  std::string list;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    list += (i == 0 ? "" : i + 1 < choices.size() ? ", " : " or ") + choices[i];
  }
  return list;
}

std::string problem_of_list(const Setting& setting, const Value& value) {
  const auto* list = std::get_if<std::vector<std::string>>(&value);
  if (list == nullptr || list->empty()) return "must be a list of texts";
  for (const std::string& each : *list) {
    if (std::string problem = setting.check(each); !problem.empty()) return problem;
  }
  return "";
}

}  // namespace

bool is_word(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':' || c == '-';
  });
}

std::string check_word(const std::string& text) {
  return is_word(text) ? "" : "must be 1 to 64 of A-Z a-z 0-9 . _ : -";
}

std::optional<std::int64_t> parse_whole(const std::string& text) {
  std::int64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

std::string problem_of(const Setting& setting, const Value& value) {
  const auto* text = std::get_if<std::string>(&value);
  switch (setting.type) {
    case Setting::Type::text:
      if (text == nullptr) return "must be a text";
      return setting.check ? setting.check(*text) : "";
    case Setting::Type::choice:
      return text != nullptr &&
                     std::count(setting.choices.begin(), setting.choices.end(), *text) == 1
                 ? ""
                 : "must be " + one_of(setting.choices);
    case Setting::Type::whole: {
      const auto* number = std::get_if<std::int64_t>(&value);
      return number != nullptr && *number >= setting.lowest && *number <= setting.highest
                 ? ""
                 : fmt::format("must be a whole number from {} to {}", setting.lowest,
                               setting.highest);
    }
    case Setting::Type::percent: {
      const auto* number = std::get_if<double>(&value);
      return number != nullptr && *number >= 0 && *number <= 100 ? ""
                                                                 : "must be a number from 0 to 100";
    }
    case Setting::Type::boolean:
      return std::holds_alternative<bool>(value) ? "" : "must be true or false";
    case Setting::Type::list: return problem_of_list(setting, value);
  }
  return "";
}

std::optional<Value> parse_value(const Setting& setting, const std::string& text) {
  if (setting.is_address()) return Value(without_line_end(text));
  if (setting.type != Setting::Type::whole) return Value(text);
  const auto number = parse_whole(text);
  return number ? std::optional<Value>(*number) : std::nullopt;
}

std::string toml_text(const Value& value) { return std::visit(AsToml{}, value); }

std::optional<std::string> nearest(std::string_view word,
                                   const std::vector<std::string>& candidates) {
  // What is longer than every name is no slip of the pen, and would cost time to compare.
  constexpr std::size_t longest = 64;
  if (word.size() > longest) return std::nullopt;
  std::optional<std::string> best;
  std::size_t fewest = word.size() / 3 + 1;
  for (const std::string& candidate : candidates) {
    const std::size_t differences = edit_distance(word, candidate);
    if (differences >= fewest) continue;
    fewest = differences;
    best = candidate;
  }
  return best;
}

}  // namespace tickstock::cli
