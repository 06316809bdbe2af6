#include "tables/grants.hpp"

#include <algorithm>
#include <set>
#include <vector>

#include "domain/utf8.hpp"
#include "tables/columns.hpp"

namespace tickstock::tables {

namespace {

/// `text` between two of these quotes, with those within doubled.
std::string sql_quoted(std::string_view text, char quote) {
  std::string result(1, quote);
  for (const char c : text) {
    if (c == quote) result += c;
    result += c;
  }
  return result + quote;
}

/// `SELECT ("symbol", "date")`
template <typename Columns>
std::string privilege(const std::string& word, const Columns& columns) {
  std::string text = word + " (";
  for (std::size_t i = 0; i < columns.size(); ++i) {
    text += (i == 0 ? "" : ", ") + sql_quoted(columns[i], '"');
  }
  return text + ")";
}

/// Writes the script, statement by statement.
class Grants {
 public:
  Grants(const TableNames& names, const std::string& role, bool priced,
         const std::vector<std::string>& labels)
      : names_(names),
        role_(role),
        priced_(priced),
        labels_(labels),
        to_role_(" TO " + sql_quoted(role, '"') + ";\n") {}

  std::string script() {
    head();
    for (const std::string& schema : {names_.symbols.schema, names_.entries.schema}) {
      use_schema(schema, text_);
    }
    grant(privilege("SELECT", symbols_read), names_.symbols, text_);
    if (priced_) grant(privilege("SELECT", symbols_priced), names_.symbols, text_);
    if (!labels_.empty()) grant(privilege("SELECT", labels_), names_.symbols, text_);
    prices();
    entries();
    text_ += "-- history, guaranteed delivery, and the deletion of what is too old\n";
    grant("SELECT, INSERT, UPDATE, DELETE", names_.runs(), text_);
    grant("SELECT, INSERT", names_.changes(), text_);
    grant("SELECT, INSERT, UPDATE, DELETE", names_.outbox(), text_);
    return std::move(text_);
  }

 private:
  void head() {
    const std::string name = sql_quoted(role_, '"');
    text_ =
        "-- What a role needs to run every command of tickstock-cache but init, and no more. Run\n"
        "-- this with psql as the owner of the tables, after 'tickstock-cache init', as often as\n"
        "-- you like. It takes nothing away and does not create the role; an administrator does:\n"
        "--   CREATE ROLE " +
        name +
        " LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE\n"
        "--     NOREPLICATION NOBYPASSRLS CONNECTION LIMIT 3;\n"
        "--   ALTER ROLE " +
        name +
        " SET client_connection_check_interval = '5s';\n"
        "-- and, where not everybody may connect to the database, GRANT CONNECT ON DATABASE … TO "
        "it.\n";
  }

  void use_schema(const std::string& schema, std::string& target) {
    if (!schemas_.insert(schema).second) return;
    target += "GRANT USAGE ON SCHEMA " + sql_quoted(schema, '"') + to_role_;
  }

  void grant(const std::string& privileges, const TableName& table, std::string& target) {
    target += "GRANT " + privileges + " ON " + table.quoted() + to_role_;
  }

  /// Wraps `body` in a DO block, in quotes that do not occur in it.
  void block(const std::string& body) {
    std::string tag = "$grants$";
    while (body.find(tag) != std::string::npos) tag.insert(1, "_");
    text_.append("DO ").append(tag).append("\n").append(body).append(tag).append(";\n");
  }

  void prices() {
    std::string granted;
    use_schema(names_.prices.schema, granted);
    grant(privilege("SELECT", prices_read), names_.prices, granted);
    if (priced_) grant(privilege("SELECT", prices_priced), names_.prices, granted);
    text_ +=
        "-- with max_data_age_days or market caps from prices, and for check, where there are "
        "prices\n";
    block("BEGIN\nIF to_regclass(" + sql_quoted(names_.prices.quoted(), '\'') +
          ") IS NOT NULL THEN\n" + granted + "END IF;\nEND\n");
  }

  void entries() {
    std::vector<std::string_view> read(entries_read.begin(), entries_read.end());
    for (const std::string_view column : entries_updated) {
      if (std::find(read.begin(), read.end(), column) == read.end()) read.push_back(column);
    }
    grant(privilege("SELECT", read), names_.entries, text_);
    grant(privilege("INSERT", entries_inserted), names_.entries, text_);
    grant(privilege("UPDATE", entries_updated), names_.entries, text_);
    text_ +=
        "-- the sequence behind a serial id, to create entries that are missing; an identity "
        "column\n-- needs none\n";
    block(
        "DECLARE sequence regclass;\nBEGIN\n"
        "FOR sequence IN\n"
        "  SELECT d.refobjid FROM pg_attrdef f\n"
        "    JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum\n"
        "    JOIN pg_depend d ON d.classid = 'pg_attrdef'::regclass AND d.objid = f.oid\n"
        "    JOIN pg_class c ON d.refclassid = 'pg_class'::regclass AND c.oid = d.refobjid\n"
        "   WHERE f.adrelid = " +
        sql_quoted(names_.entries.quoted(), '\'') +
        "::regclass AND a.attname = 'id' AND c.relkind = 'S'\n"
        "LOOP\n"
        "  EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', sequence, " +
        sql_quoted(role_, '\'') + ");\nEND LOOP;\nEND\n");
  }

  const TableNames& names_;
  const std::string& role_;
  bool priced_;
  const std::vector<std::string>& labels_;
  std::string to_role_;
  std::set<std::string> schemas_;
  std::string text_;
};

}  // namespace

std::string role_problem(std::string_view role) {
  if (role.empty() || role.size() > 63) return "must have 1 to 63 bytes";
  if (role.starts_with("pg_") || role == "public" || role == "none") {
    return "must not be a name that PostgreSQL reserves";
  }
  const bool control = std::any_of(role.begin(), role.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
  });
  // psql would refuse a script that is not UTF-8.
  return control || !is_utf8(role) ? "must be printable text in UTF-8" : "";
}

std::string grants_sql(const TableNames& names, const std::string& role, bool priced,
                       const std::vector<std::string>& labels) {
  return Grants(names, role, priced, labels).script();
}

}  // namespace tickstock::tables
