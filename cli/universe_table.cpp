#include "universe_table.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <concepts>
#include <regex>
#include <set>
#include <sstream>

#include "domain/text.hpp"
#include "rules/policy.hpp"

namespace tickstock::cli {

namespace {

constexpr std::int64_t most_days = 36'500;
constexpr std::int64_t most_members = 1'000'000;

/// The keys of a universe, conditions first.
const std::vector<std::string> known_keys{
    "each",  "match",    "except",  "cap_from", "cap_below", "listed_within",
    "first", "include",  "exclude", "name",     "type",      "order",
    "group", "maintain", "lines",   "band",     "nights",    "buffer"};
constexpr std::ptrdiff_t conditions = 7;

/// Returns whether an entry, a type or a column may have this name.
bool is_name(const std::string& text) {
  const std::size_t size = characters_of(text);
  static const std::regex control("[\\x00-\\x1f\\x7f]|\xc2[\x80-\x9f]");
  return size > 0 && size <= longest_name && !std::regex_search(text, control);
}

/// Reads one universe from a table.
struct UniverseReader {
  const toml::table& table;
  const Policy& defaults;  ///< what applies to a universe that says nothing else
  const Universes& builtin;
  Universe universe = {};

  Universe read() {
    universe.task = Task::themes;
    universe.name = name("name");
    if (universe.name.empty()) fail("name", "is missing", "Give every universe a name.");
    for (const auto& [key, node] : table) {
      const std::string word(key.str());
      if (std::ranges::count(known_keys, word) > 0) continue;
      const auto meant = nearest(word, known_keys);
      fail(word, "is not a key of a universe",
           meant ? "Did you mean " + *meant + "?" : "See tickstock-cache-universes(7).");
    }
    universe.each = name("each");
    universe.group = name("group");
    universe.type = has("type") ? name("type") : "theme";
    require_placeholder();
    match("match", false);
    match("except", true);
    read_bounds();
    read_names();
    read_upkeep();
    read_stability();
    require_what_is_inherited();
    return universe;
  }

  [[noreturn]] void fail(std::string_view key, const std::string& problem,
                         const std::string& hint = {}) const {
    const toml::node* node = table.get(key);
    throw Error(ErrorKind::config,
                fmt::format("line {}: [[universe]]{}{}: {} {}",
                            (node != nullptr ? node->source() : table.source()).begin.line,
                            universe.name.empty() ? "" : " ", universe.name, key, problem),
                {.object = fmt::format("[[universe]] {}", key), .hint = hint});
  }

  [[nodiscard]] bool has(std::string_view key) const { return table.contains(key); }

  /// Returns the value of a key; nothing if it is not given. \throws Error if the value is not what
  /// the key requires.
  template <typename Value, typename IsGood>
  std::optional<Value> take(std::string_view key, const std::string& demand, IsGood is_good) const {
    if (!has(key)) return std::nullopt;
    const toml::node& node = *table.get(key);
    // A dollar amount may be an integer.
    const bool fits = std::same_as<Value, double> ? node.is_number() : node.is<Value>();
    auto value = node.value<Value>();
    if (!fits || !is_good(*value)) fail(key, "must be " + demand);
    return value;
  }

  [[nodiscard]] std::string name(std::string_view key) const {
    return take<std::string>(
               key, "a string of 1 to 200 characters, none of them a control character", is_name)
        .value_or("");
  }

  [[nodiscard]] std::optional<std::int64_t> whole(std::string_view key, std::int64_t most,
                                                  std::int64_t least = 1) const {
    return take<std::int64_t>(key, fmt::format("a whole number from {} to {}", least, most),
                              [&](std::int64_t value) { return value >= least && value <= most; });
  }

  [[nodiscard]] std::optional<double> dollars(std::string_view key) const {
    return take<double>(key, "a number of US dollars, 0 or more",
                        [](double value) { return std::isfinite(value) && value >= 0; });
  }

  /// Returns the index of a word among those that a key accepts; 0, the default, if it is not
  /// given.
  [[nodiscard]] std::ptrdiff_t choice(std::string_view key,
                                      const std::vector<std::string>& words) const {
    const auto place = [&words](const std::string& word) {
      return std::ranges::find(words, word) - words.begin();
    };
    return place(
        take<std::string>(key, fmt::format("{}", fmt::join(words, " or ")),
                          [&](const std::string& word) { return place(word) < std::ssize(words); })
            .value_or(words.front()));
  }

  /// Returns texts in byte order, as `cleaned` makes them; without those that it makes empty.
  template <typename Cleaned>
  [[nodiscard]] std::vector<std::string> list(std::string_view key, const toml::node* node,
                                              const std::string& of, Cleaned cleaned) const {
    std::set<std::string> values;
    if (node == nullptr) return {};
    const toml::array* const array = node->as_array();
    if (array == nullptr || array->empty()) {
      fail(key, "must be a list of strings" + of + ", at least one");
    }
    for (const toml::node& each : *array) {
      const auto value = each.value_exact<std::string>();
      if (!value) fail(key, "must be a list of strings" + of, "Write each in quotes.");
      if (value->find('\0') != std::string::npos) fail(key, "must not hold a NUL", "Remove it.");
      if (!cleaned(*value).empty()) values.emplace(cleaned(*value));
    }
    return {values.begin(), values.end()};
  }

  /// Returns symbols, which may have white space at either end.
  [[nodiscard]] std::vector<std::string> symbols(std::string_view key) const {
    return list(key, table.get(key), "", [&](const std::string& symbol) {
      if (symbol.empty()) fail(key, "must not hold an empty string", "Remove it.");
      return symbol;
    });
  }

  void match(std::string_view key, bool negated) {
    if (!has(key)) return;
    const toml::table* columns = table.get(key)->as_table();
    if (columns == nullptr || columns->empty()) {
      fail(key,
           "must be a table of columns with lists of texts, such as { sector = [\"Energy\"] }");
    }
    for (const auto& [column, values] : *columns) {
      const std::string of(column.str());
      // A blank text matches nothing.
      universe.conditions.emplace_back(
          Matches{of, list(key, &values, " for " + of, trimmed), negated});
    }
  }

  void read_bounds() {
    const auto from = dollars("cap_from");
    const auto below = dollars("cap_below");
    if (from && below && *below <= *from) fail("cap_below", "must be above cap_from");
    if (from) universe.conditions.emplace_back(CapFrom{*from});
    if (below) universe.conditions.emplace_back(CapBelow{*below});
    if (const auto days = whole("listed_within", most_days)) {
      universe.conditions.emplace_back(ListedWithin{static_cast<int>(*days)});
    }
    universe.first = whole("first", most_members);
  }

  void read_names() {
    universe.include = symbols("include");
    const std::vector<std::string> exclude = symbols("exclude");
    if (has("include") && has("each")) {
      fail("include", "can't be combined with each, which makes more than one universe");
    }
    for (const std::string& symbol : exclude) {
      if (std::ranges::count(universe.include, symbol) > 0) {
        fail("exclude", "names " + symbol + ", which is in include too", "Keep it in one of them.");
      }
    }
    const auto last = known_keys.begin() + conditions;
    const bool has_condition =
        std::any_of(known_keys.begin(), last, [this](const std::string& key) { return has(key); });
    if (!has_condition && !has("include")) {
      fail("name", "has no condition beside it",
           fmt::format("Give include or {}.", fmt::join(known_keys.begin(), last, " or ")));
    }
    if (!exclude.empty()) universe.conditions.emplace_back(Named{exclude, true});
    if (!has_condition) universe.conditions.emplace_back(Named{universe.include, false});
  }

  void read_upkeep() {
    universe.order = static_cast<Order>(choice("order", {"market_cap", "newest", "symbol"}));
    universe.additions = choice("maintain", {"whole", "additions"}) == 1;
    for (const char* const key : {"first", "group"}) {
      if (universe.additions && has(key)) fail(key, "can't be combined with maintain = additions");
    }
    if (choice("lines", {"all", "primary"}) == 0) return;
    universe.issuer = defaults.issuer;
    if (!universe.issuer.empty()) return;
    fail("lines", "is primary, but no column identifies the company",
         "Name that column in [market] issuer.");
  }

  void read_stability() {
    universe.stability = defaults.stability;
    auto& [band, nights, buffer] = universe.stability;
    band = static_cast<int>(whole("band", 99, 0).value_or(band));
    nights = static_cast<int>(whole("nights", 60).value_or(nights));
    buffer = static_cast<int>(whole("buffer", 99, 0).value_or(buffer));
  }

  void require_placeholder() const {
    const std::size_t open = universe.name.find('{');
    if (has("each") && universe.name.find("{" + universe.each + "}") == std::string::npos) {
      fail("name", fmt::format("must hold {{{}}}, the column of each in braces", universe.each));
    }
    if (!has("each") && open != std::string::npos &&
        universe.name.find('}', open) != std::string::npos) {
      fail("name", "holds a column in braces", "Name that column in each, too.");
    }
  }

  /// Rejects keys that contradict what a universe inherits because it replaces a built-in one.
  void require_what_is_inherited() const {
    for (const auto& each : builtin) {
      if (each->name != universe.name) continue;
      if (has("type") && universe.type != each->type) {
        fail("type", "must be " + each->type + " or left out: it replaces a built-in universe");
      }
      if (universe.additions && !each->group.empty()) {
        fail("maintain", "can't be additions: it replaces a universe of a group");
      }
      if (has("group") && universe.group != each->group) {
        fail("group", "must be left out: it replaces a built-in universe");
      }
    }
  }
};

}  // namespace

DeclaredUniverses read_universes(const toml::table& whole) {
  const toml::array* tables = whole["universe"].as_array();
  if (tables == nullptr || !tables->is_array_of_tables()) {
    throw Error(ErrorKind::config,
                fmt::format("line {}: universe is not an array of tables",
                            whole.get("universe")->source().begin.line),
                {.hint = "Write [[universe]], between double brackets."});
  }
  Policy policy;
  policy.builtin = whole["universes"]["builtin"].value_or(true);
  const Universes builtin = policy.universes();
  policy.issuer = whole["market"]["issuer"].value_or(std::string());
  // Whether these are valid is checked where the settings are read.
  policy.stability = {whole["stability"]["band"].value_or(0),
                      whole["stability"]["nights"].value_or(1),
                      whole["stability"]["buffer"].value_or(0)};
  std::set<std::string> names;
  for (const toml::node& node : *tables) {
    UniverseReader reader{*node.as_table(), policy, builtin};
    Universe universe = reader.read();
    if (!names.insert(universe.name).second) {
      reader.fail("name", "is the name of another universe, too", "Use each name once.");
    }
    policy.declared.push_back(std::move(universe));
  }
  // A symbol included in two universes of a group would have two seats.
  std::map<std::pair<std::string, std::string>, std::string> included;
  for (const auto& universe : policy.universes()) {
    for (const std::string& symbol : universe->include) {
      if (universe->group.empty()) continue;
      const auto [place, is_new] = included.try_emplace({universe->group, symbol}, universe->name);
      if (is_new) continue;
      throw Error(ErrorKind::config,
                  fmt::format("[[universe]] {}: include names {}, which is in include of '{}' of "
                              "the same group too",
                              universe->name, symbol, place->second),
                  {.hint = "Keep it in one of them."});
    }
  }
  std::ostringstream as_toml;
  std::ostringstream as_json;
  for (const toml::node& each : *tables) {
    // A nested table would be shown as a section of the whole file.
    toml::table shown = *each.as_table();
    for (auto&& [key, value] : shown) {
      if (toml::table* inner = value.as_table()) inner->is_inline(true);
    }
    as_toml << "\n[[universe]]\n" << toml::toml_formatter(shown) << "\n";
  }
  as_json << toml::json_formatter(*tables);
  return {std::move(policy.declared), as_toml.str(), as_json.str()};
}

}  // namespace tickstock::cli
