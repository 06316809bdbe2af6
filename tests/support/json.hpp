#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tickstock::test {

/// A value of a JSON document for tests to read. A missing value or one of another type is a
/// std::runtime_error that names the path. Copies share the document.
class Json {
 public:
  /// Parses a text. \throws std::runtime_error with the offset if it is not one JSON document in
  /// UTF-8.
  static Json parse(const std::string& text);

  /// Returns the value at a path of names and positions, e.g.
  /// "task_results.ipo_assignment.changes.0". Use member() for a name that contains a dot.
  Json at(std::string_view path) const;
  Json member(const std::string& name) const;
  Json item(std::size_t position) const;

  /// Returns whether there is a value, possibly null, at the path.
  bool has(std::string_view path) const;

  std::string str() const;
  double num() const;
  std::int64_t integer() const;
  bool boolean() const;
  bool is_null() const;
  bool is_string() const;
  bool is_number() const;
  bool is_array() const;
  bool is_object() const;

  /// Returns the number of elements or members.
  std::size_t size() const;
  /// Returns the names of an object in the order of the document.
  std::vector<std::string> keys() const;
  std::vector<Json> items() const;
  /// Returns the elements of an array of strings.
  std::vector<std::string> strings() const;

  /// Returns compact text with the names in the order of the document.
  std::string text() const;
  /// Returns the same without the members of these names, at any depth.
  std::string text_without(const std::set<std::string>& names) const;

 private:
  /// The document, the value in it, and the path to it.
  struct State;

  explicit Json(State state);

  /// Returns nothing if there is no such member.
  std::optional<Json> find(const std::string& name) const;
  [[noreturn]] void fail(const std::string& what) const;
  void expect(bool good, const char* type) const;

  std::shared_ptr<const State> state_;
};

}  // namespace tickstock::test
