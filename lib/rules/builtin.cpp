#include <fmt/format.h>

#include <array>
#include <string_view>

#include "domain/members.hpp"
#include "rules/policy.hpp"

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

}  // namespace

std::vector<Universe> builtin_universes(int ipo_days) {
  std::vector<Universe> universes;
  for (const Category& category : categories) {
    universes.push_back(
        {.name = std::string(category.name),
         .type = "market_cap",
         .metadata = metadata_text(
             {{"type", "market_cap_category"}, {"market_cap_range", std::string(category.name)}}),
         .group = categories_group,
         .conditions = {CapFrom{category.cap_from}}});
  }
  for (const std::size_t first : leaders) {
    const std::string name = fmt::format("top_{}", first);
    universes.push_back({.name = name,
                         .type = "market_leader",
                         .metadata = metadata_text({{"type", "market_leader"}, {"rank", name}}),
                         .first = first,
                         .always_written = true});
  }
  universes.push_back({.name = "recent_ipos",
                       .type = "ipo",
                       .metadata = metadata_text(
                           {{"type", "ipo"}, {"period", fmt::format("last_{}_days", ipo_days)}}),
                       .task = Task::ipo,
                       .conditions = {ListedWithin{ipo_days}},
                       .order = Order::newest});
  return universes;
}

}  // namespace tickstock
