#include "universe_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "domain/error.hpp"
#include "domain/text.hpp"
#include "rules/policy.hpp"
#include "setting.hpp"

namespace tickstock::cli {

namespace {

constexpr std::size_t longest_name = 200;  ///< characters
constexpr std::int64_t most_days = 36'500;
constexpr std::int64_t most_members = 1'000'000;

const std::vector<std::string> known_keys{
    "name",    "type",    "each",  "match", "except", "cap_from", "cap_below", "listed_within",
    "include", "exclude", "first", "order", "group",  "maintain", "lines"};

std::size_t characters_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

bool has_control(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; });
}

/// Makes a universe of one table.
class UniverseReader {
 public:
  UniverseReader(const toml::table& table, std::string issuer, const Universes& builtin)
      : table_(table), issuer_(std::move(issuer)), builtin_(builtin) {}

  Universe read() {
    universe_.task = Task::themes;
    universe_.name = text("name").value_or("");
    if (universe_.name.empty()) fail("name", "is missing; every universe needs one");
    require_known_keys();
    universe_.each = column("each");
    require_placeholder();
    universe_.group = text("group").value_or("");
    universe_.type = text("type").value_or("theme");
    read_conditions();
    read_upkeep();
    require_some_condition();
    inherit();
    return universe_;
  }

  [[noreturn]] void fail(std::string_view key, const std::string& problem) const {
    const toml::node* node = table_.get(key);
    const auto line = (node != nullptr ? node->source() : table_.source()).begin.line;
    throw Error(ErrorKind::config,
                fmt::format("line {}: [[universe]]{}{}: {} {}", line,
                            universe_.name.empty() ? "" : " ", universe_.name, key, problem));
  }

 private:
  void require_known_keys() const {
    for (const auto& [key, node] : table_) {
      const std::string word(key.str());
      if (std::count(known_keys.begin(), known_keys.end(), word) > 0) continue;
      const auto meant = nearest(word, known_keys);
      fail(word, meant ? "is no key of a universe; did you mean " + *meant + "?"
                       : "is no key of a universe; see tickstock-cache-universes(7)");
    }
  }

  [[nodiscard]] bool has(std::string_view key) const { return table_.contains(key); }

  [[nodiscard]] std::optional<std::string> text(std::string_view key) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    const auto value = node->value_exact<std::string>();
    if (!value) fail(key, "must be a text");
    const std::size_t size = characters_of(*value);
    if (size == 0 || size > longest_name || has_control(*value)) {
      fail(key, fmt::format("must have 1 to {} characters, none of them a control character",
                            longest_name));
    }
    return value;
  }

  [[nodiscard]] std::string column(std::string_view key) const { return text(key).value_or(""); }

  [[nodiscard]] std::optional<std::int64_t> whole(std::string_view key,
                                                  std::int64_t highest) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < 1 || *value > highest) {
      fail(key, fmt::format("must be a whole number from 1 to {}", highest));
    }
    return value;
  }

  [[nodiscard]] std::optional<double> dollars(std::string_view key) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return std::nullopt;
    const auto value = node->is_number() ? node->value<double>() : std::nullopt;
    if (!value || !std::isfinite(*value) || *value <= 0) {
      fail(key, "must be a number of US dollars above zero");
    }
    return value;
  }

  /// The number of a word among those that a key takes; 0, the default, where it is not given.
  [[nodiscard]] std::size_t choice(std::string_view key,
                                   const std::vector<std::string>& words) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return 0;
    const auto value = node->value_exact<std::string>();
    const auto found = value ? std::find(words.begin(), words.end(), *value) : words.end();
    if (found == words.end()) fail(key, fmt::format("must be {}", fmt::join(words, " or ")));
    return static_cast<std::size_t>(found - words.begin());
  }

  [[nodiscard]] std::vector<std::string> list(std::string_view key, const toml::node& node,
                                              const std::string& of) const {
    const toml::array* array = node.as_array();
    std::vector<std::string> values;
    if (array != nullptr) {
      for (const toml::node& each : *array) {
        const auto value = each.value_exact<std::string>();
        if (!value) fail(key, "must be a list of texts" + of + "; write \"true\", not true");
        values.emplace_back(trimmed(*value));
        if (values.back().empty()) fail(key, "holds a blank text" + of + ", which matches nothing");
      }
    }
    if (values.empty()) fail(key, "must be a list of texts" + of + ", at least one");
    return values;
  }

  [[nodiscard]] std::vector<std::string> symbols(std::string_view key) const {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return {};
    std::vector<std::string> names = list(key, *node, "");
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    return names;
  }

  void match(std::string_view key, bool negated) {
    const toml::node* node = table_.get(key);
    if (node == nullptr) return;
    const toml::table* columns = node->as_table();
    if (columns == nullptr || columns->empty()) {
      fail(key,
           "must be a table of columns with lists of texts, such as { sector = [\"Energy\"] }");
    }
    for (const auto& [column, values] : *columns) {
      const std::string name(column.str());
      universe_.conditions.emplace_back(Matches{name, list(key, values, " for " + name), negated});
    }
  }

  void require_placeholder() const {
    if (universe_.each.empty()) {
      const std::size_t open = universe_.name.find('{');
      if (open != std::string::npos && universe_.name.find('}', open) != std::string::npos) {
        fail("name", "holds a column in braces; name that column in each, too");
      }
    } else if (universe_.name.find("{" + universe_.each + "}") == std::string::npos) {
      fail("name", fmt::format("must hold {{{}}}, the column of each in braces", universe_.each));
    }
  }

  void read_conditions() {
    match("match", false);
    match("except", true);
    const auto from = dollars("cap_from");
    const auto below = dollars("cap_below");
    if (from && below && *below <= *from) fail("cap_below", "must be above cap_from");
    if (from) universe_.conditions.emplace_back(CapFrom{*from});
    if (below) universe_.conditions.emplace_back(CapBelow{*below});
    if (const auto days = whole("listed_within", most_days)) {
      universe_.conditions.emplace_back(ListedWithin{static_cast<int>(*days)});
    }
    universe_.include = symbols("include");
    if (!universe_.include.empty() && !universe_.each.empty()) {
      fail("include", "can't be combined with each, which makes more than one universe");
    }
    const std::vector<std::string> exclude = symbols("exclude");
    std::vector<std::string> both;
    std::set_intersection(universe_.include.begin(), universe_.include.end(), exclude.begin(),
                          exclude.end(), std::back_inserter(both));
    if (!both.empty()) fail("exclude", "names " + both.front() + ", which include names, too");
    if (!exclude.empty()) universe_.conditions.emplace_back(Named{exclude, true});
  }

  void read_upkeep() {
    if (const auto first = whole("first", most_members)) {
      universe_.first = static_cast<std::size_t>(*first);
    }
    universe_.order = static_cast<Order>(choice("order", {"market_cap", "newest", "symbol"}));
    universe_.additions = choice("maintain", {"whole", "additions"}) == 1;
    for (const char* const key : {"first", "group"}) {
      if (universe_.additions && has(key)) fail(key, "can't be combined with maintain = additions");
    }
    if (choice("lines", {"all", "primary"}) == 0) return;
    if (issuer_.empty()) {
      fail("lines", "is primary, which needs [market] issuer, the column that tells the company");
    }
    universe_.issuer = issuer_;
  }

  void require_some_condition() {
    const bool has_condition =
        std::any_of(known_keys.begin(), known_keys.end(), [this](const std::string& key) {
          return has(key) &&
                 (key == "each" || key == "match" || key == "except" || key == "cap_from" ||
                  key == "cap_below" || key == "listed_within" || key == "first");
        });
    if (has_condition) return;
    if (universe_.include.empty()) {
      fail("name",
           "has no condition beside it; give match, except, cap_from, cap_below, "
           "listed_within, first, each or include");
    }
    universe_.conditions.emplace_back(Named{universe_.include, false});
  }

  /// A universe that bears a built-in name replaces it, and can't say otherwise what it inherits.
  void inherit() const {
    for (const auto& builtin : builtin_) {
      if (builtin->name != universe_.name) continue;
      if (has("type") && universe_.type != builtin->type) {
        fail("type", "must be " + builtin->type + " or left out: it replaces a built-in universe");
      }
      if (has("group") && universe_.group != builtin->group) {
        fail("group", "must be left out: it replaces a built-in universe");
      }
    }
  }

  const toml::table& table_;
  std::string issuer_;
  const Universes& builtin_;
  Universe universe_;
};

}  // namespace

std::vector<Universe> read_universes(const toml::table& whole) {
  const toml::array* tables = whole["universe"].as_array();
  if (tables == nullptr || !tables->is_array_of_tables()) {
    throw Error(
        ErrorKind::config,
        fmt::format("line {}: universe must be a table between double brackets, [[universe]]",
                    whole.get("universe")->source().begin.line));
  }
  Policy policy;
  policy.builtin = whole["universes"]["builtin"].value_or(true);
  const Universes builtin = policy.universes();
  const std::string issuer = whole["market"]["issuer"].value_or(std::string());
  std::set<std::string> names;
  for (const toml::node& node : *tables) {
    UniverseReader reader(*node.as_table(), issuer, builtin);
    Universe universe = reader.read();
    if (!names.insert(universe.name).second) {
      reader.fail("name", "is given to another universe, too; use each name once");
    }
    policy.declared.push_back(std::move(universe));
  }
  // A symbol that two universes of a group include would have two seats.
  std::map<std::pair<std::string, std::string>, std::string> included;
  for (const auto& universe : policy.universes()) {
    for (const std::string& symbol : universe->include) {
      if (universe->group.empty()) continue;
      const auto [place, is_new] = included.try_emplace({universe->group, symbol}, universe->name);
      if (is_new) continue;
      throw Error(ErrorKind::config,
                  fmt::format("[[universe]] {}: include names {}, which '{}' of the same group "
                              "includes, too",
                              universe->name, symbol, place->second));
    }
  }
  return policy.declared;
}

}  // namespace tickstock::cli
