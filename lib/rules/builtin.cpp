#include "rules/builtin.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "domain/entry.hpp"

namespace tickstock {

namespace {

struct Category {
  std::string_view name;
  double cap_from;  ///< US dollars
};

constexpr std::array<Category, 5> categories{{{"mega_cap", 200e9},
                                              {"large_cap", 10e9},
                                              {"mid_cap", 2e9},
                                              {"small_cap", 300e6},
                                              {"micro_cap", 50e6}}};
constexpr std::array<std::size_t, 4> leaders{100, 500, 1000, 2000};

void add(Universes& universes, Universe universe) {
  universes.push_back(std::make_shared<const Universe>(std::move(universe)));
}

}  // namespace

Universes builtin_universes(int ipo_days) {
  Universes universes;
  const Category* above = nullptr;
  for (const Category& category : categories) {
    Universe universe{.name = std::string(category.name),
                      .type = "market_cap",
                      .metadata = metadata_text({{"type", "market_cap_category"},
                                                 {"market_cap_range", std::string(category.name)}}),
                      .group = categories_group,
                      .conditions = {CapFrom{category.cap_from}}};
    if (above != nullptr) universe.conditions.emplace_back(CapBelow{above->cap_from});
    add(universes, std::move(universe));
    above = &category;
  }
  for (const std::size_t first : leaders) {
    const std::string name = fmt::format("top_{}", first);
    add(universes, {.name = name,
                    .type = "market_leader",
                    .metadata = metadata_text({{"type", "market_leader"}, {"rank", name}}),
                    .conditions = {HasCap{}},
                    .first = first,
                    .always_written = true});
  }
  add(universes, {.name = "recent_ipos",
                  .type = "ipo",
                  .metadata = metadata_text(
                      {{"type", "ipo"}, {"period", fmt::format("last_{}_days", ipo_days)}}),
                  .task = Task::ipo,
                  .conditions = {ListedWithin{ipo_days}},
                  .order = Order::newest});
  return universes;
}

const std::vector<std::string>& cleaned_types() {
  static const std::vector<std::string> types{"market_cap", "market_leader", "sector", "theme"};
  return types;
}

bool is_cleaned_type(const std::string& type) {
  return std::find(cleaned_types().begin(), cleaned_types().end(), type) != cleaned_types().end();
}

}  // namespace tickstock
