#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace tickstock::test {

// What the manual says about bands, nights and buffers, section by section and without any of the
// program's code.

/// An active symbol on one day.
struct Fact {
  long cap = 0;  ///< whole US dollars, 0 for none
  std::string label;
};

using Facts = std::map<std::string, Fact>;
using Symbols = std::set<std::string>;

/// Who has a seat in a group, and for how many nights the conditions of waiting members have not
/// held.
class GroupStatement {
 public:
  GroupStatement(int band, int nights) : band_(band), nights_(nights) {}
  virtual ~GroupStatement() = default;
  GroupStatement(const GroupStatement&) = delete;
  GroupStatement& operator=(const GroupStatement&) = delete;

  void night(int day, const Facts& facts) {
    std::map<std::string, std::string> seats;
    std::map<std::string, std::pair<int, int>> outside;
    for (const auto& [symbol, fact] : facts) {
      const auto old = seats_.find(symbol);
      std::string seat = old == seats_.end() ? "" : old->second;
      if (!seat.empty() && (may_wait(fact) || holds(seat, fact, band_))) {
        if (band_ == 0 && nights_ == 1) {
          if (!is_blank(fact)) seat = plain(fact);
        } else if (!holds(seat, fact, band_)) {
          auto [count, last] = outside_.contains(symbol) ? outside_[symbol] : std::pair(0, -1);
          if (day > last) ++count;
          if (count >= nights_) {
            seat = plain(fact);
          } else {
            outside[symbol] = {count, std::max(day, last)};
          }
        }
      } else {
        seat = plain(fact);
      }
      if (!seat.empty()) seats[symbol] = seat;
    }
    seats_ = seats;
    outside_ = outside;
  }

  [[nodiscard]] Symbols in(const std::string& universe) const {
    Symbols members;
    for (const auto& [symbol, seat] : seats_) {
      if (seat == universe) members.insert(symbol);
    }
    return members;
  }
  [[nodiscard]] std::map<std::string, int> waiting() const {
    std::map<std::string, int> waiting;
    for (const auto& [symbol, count] : outside_) waiting[symbol] = count.first;
    return waiting;
  }
  [[nodiscard]] Symbols universes() const {
    Symbols universes;
    for (const auto& [symbol, seat] : seats_) universes.insert(seat);
    return universes;
  }

 protected:
  /// Returns the universe that a symbol without a seat takes; empty for none.
  [[nodiscard]] virtual std::string plain(const Fact& fact) const = 0;
  [[nodiscard]] virtual bool holds(const std::string& universe, const Fact& fact,
                                   int band) const = 0;
  /// Returns whether a member whose universe's conditions do not hold may wait at all.
  [[nodiscard]] virtual bool may_wait(const Fact& fact) const = 0;
  /// Returns whether nothing is known that could give it another seat.
  [[nodiscard]] virtual bool is_blank(const Fact& /*fact*/) const { return false; }

 private:
  int band_;
  int nights_;
  std::map<std::string, std::string> seats_;
  std::map<std::string, std::pair<int, int>> outside_;
};

/// The five categories.
class CategoryStatement final : public GroupStatement {
 public:
  using GroupStatement::GroupStatement;

  static const std::vector<std::pair<std::string, long>>& table() {
    static const std::vector<std::pair<std::string, long>> table{{"mega_cap", 200'000'000'000},
                                                                 {"large_cap", 10'000'000'000},
                                                                 {"mid_cap", 2'000'000'000},
                                                                 {"small_cap", 300'000'000},
                                                                 {"micro_cap", 50'000'000}};
    return table;
  }

 private:
  [[nodiscard]] std::string plain(const Fact& fact) const override {
    for (const auto& [name, from] : table()) {
      if (fact.cap >= from) return name;
    }
    return "";
  }
  [[nodiscard]] bool holds(const std::string& universe, const Fact& fact, int band) const override {
    long below = 0;
    for (const auto& [name, from] : table()) {
      if (name == universe) {
        return fact.cap * 100 >= from * (100 - band) &&
               (below == 0 || fact.cap * 100 < below * (100 + band));
      }
      below = from;
    }
    return false;
  }
  [[nodiscard]] bool may_wait(const Fact& fact) const override { return fact.cap > 0; }
};

/// One universe for each label, named by it.
class LabelStatement final : public GroupStatement {
 public:
  explicit LabelStatement(int nights) : GroupStatement(0, nights) {}

 private:
  [[nodiscard]] std::string plain(const Fact& fact) const override { return fact.label; }
  [[nodiscard]] bool holds(const std::string& universe, const Fact& fact,
                           int /*band*/) const override {
    return fact.label.empty() || fact.label == universe;
  }
  [[nodiscard]] bool may_wait(const Fact& /*fact*/) const override { return true; }
  [[nodiscard]] bool is_blank(const Fact& fact) const override { return fact.label.empty(); }
};

/// The first so many by market cap.
class LeaderStatement {
 public:
  LeaderStatement(std::size_t first, int buffer)
      : first_(first),
        sure_(first * static_cast<std::size_t>(100 - buffer) / 100),
        most_(first * static_cast<std::size_t>(100 + buffer) / 100) {}

  void night(const Facts& facts) {
    std::vector<std::pair<long, std::string>> ranks;
    for (const auto& [symbol, fact] : facts) {
      if (fact.cap > 0) ranks.emplace_back(-fact.cap, symbol);
    }
    std::sort(ranks.begin(), ranks.end());
    Symbols now;
    for (std::size_t i = 0; i < ranks.size() && i < sure_; ++i) now.insert(ranks[i].second);
    for (std::size_t i = 0; i < ranks.size() && i < most_ && now.size() < first_; ++i) {
      if (members_.contains(ranks[i].second)) now.insert(ranks[i].second);
    }
    for (std::size_t i = 0; i < ranks.size() && now.size() < first_; ++i) {
      now.insert(ranks[i].second);
    }
    members_ = now;
  }

  [[nodiscard]] const Symbols& members() const { return members_; }

 private:
  std::size_t first_;
  std::size_t sure_;
  std::size_t most_;
  Symbols members_;
};

}  // namespace tickstock::test
