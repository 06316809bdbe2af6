#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace tickstock::test {

/// A value of a JSON document, to be read by tests. Whatever is not there or of another type is a
/// std::runtime_error that names the path. Copies share the document.
class Json {
 public:
  /// \throws std::runtime_error with the offset where the text is not one JSON document in UTF-8.
  static Json parse(const std::string& text);

  /// The value at a path of names and positions, e.g. "task_results.ipo_assignment.changes.0". A
  /// name that holds a dot is reached by member().
  Json at(std::string_view path) const;
  Json member(const std::string& name) const;
  Json item(std::size_t position) const;

  /// Whether there is something, be it null, at the path.
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

  /// The number of elements or members.
  std::size_t size() const;
  /// The names of an object in the order of the document.
  std::vector<std::string> keys() const;
  std::vector<Json> items() const;
  /// The elements of an array of strings.
  std::vector<std::string> strings() const;

  /// Compact text with the names in the order of the document.
  std::string text() const;
  /// The same without the members of these names, however deep they stand.
  std::string text_without(const std::set<std::string>& names) const;

 private:
  /// The document, the value in it, and the path that led there.
  struct State;

  explicit Json(State state);

  /// Nothing where there is nothing.
  std::optional<Json> find(const std::string& name) const;
  [[noreturn]] void fail(const std::string& what) const;
  void expect(bool good, const char* type) const;

  std::shared_ptr<const State> state_;
};

}  // namespace tickstock::test
