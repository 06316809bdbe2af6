#include "tables/table_names.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

#include "domain/error.hpp"

namespace tickstock::tables {

namespace {

bool is_identifier(std::string_view text) {
  const auto allowed = [](unsigned char c) {
    return c < 0x80 && (std::isalnum(c) != 0 || c == '_' || c == '$');
  };
  return !text.empty() && text.size() <= 63 &&
         std::isdigit(static_cast<unsigned char>(text[0])) == 0 && !text.starts_with("pg_") &&
         std::all_of(text.begin(), text.end(), allowed);
}

}  // namespace

std::string quoted_identifier(std::string_view name) {
  std::string quoted = "\"";
  for (const char c : name) quoted.append(c == '"' ? 2 : 1, c);
  return quoted + '"';
}

TableName parse_table_name(std::string_view text, const std::string& default_schema,
                           const std::string& setting) {
  const std::size_t dot = text.find('.');
  TableName name{dot == std::string_view::npos ? default_schema : std::string(text.substr(0, dot)),
                 std::string(dot == std::string_view::npos ? text : text.substr(dot + 1))};
  if (!is_identifier(name.schema) || !is_identifier(name.name)) {
    throw Error(ErrorKind::config,
                setting +
                    " must be a name or schema.name of 1 to 63 letters, digits, _ and $ each, "
                    "not beginning with a digit or pg_");
  }
  return name;
}

namespace {

void replace_all(std::string& text, std::string_view token, const std::string& replacement) {
  for (std::size_t at = text.find(token); at != std::string::npos;
       at = text.find(token, at + replacement.size())) {
    text.replace(at, token.size(), replacement);
  }
}

}  // namespace

std::string TableNames::in(std::string_view sql) const {
  const std::array<std::pair<std::string_view, std::string>, 6> tokens{
      {{"{symbols}", symbols.quoted()},
       {"{prices}", prices.quoted()},
       {"{entries}", entries.quoted()},
       {"{runs}", runs().quoted()},
       {"{changes}", changes().quoted()},
       {"{outbox}", outbox().quoted()}}};
  std::string text(sql);
  for (const auto& [token, name] : tokens) replace_all(text, token, name);
  return text;
}

std::string TableNames::in(std::string_view sql, Day first, Day last) const {
  std::string text = in(sql);
  replace_all(text, "{first}", to_string(first));
  replace_all(text, "{last}", to_string(last));
  return text;
}

}  // namespace tickstock::tables
