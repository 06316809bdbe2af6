#include <optional>

#include "fuzz/targets.hpp"
#include "json/json.hpp"

namespace tickstock::fuzz {

namespace {

using Elements = std::optional<std::vector<std::string>>;

Elements read(std::string_view json) {
  json::StringArrayReader reader;
  if (!reader.read(json)) return std::nullopt;
  return std::vector<std::string>(reader.strings().begin(), reader.strings().end());
}

}  // namespace

/// Tests the members of an entry: they are read as the plainest reader reads them, and again the
/// same after writing.
void fuzz_content(std::string_view input) {
  const std::string text = expanded(input);
  const Elements elements = read(text);
  std::vector<std::string> plain;
  const bool sound = read_plainly(text, plain);
  require(elements.has_value() == sound, "what is accepted differs from the plain reader");
  if (!elements) return;
  require(*elements == plain, "the elements differ from the plain reader's");

  json::Writer json;
  json.begin_array();
  for (const std::string& element : *elements) json.string(element);
  json.end_array();
  require(read(json.text()) == elements, "written and read again, the elements differ");
  require(read(" \t\r\n" + text + "\n ") == elements, "blanks around it change the elements");
  require(!read(text + "x") && !read(text + '\0') && !read("[" + text + "]"),
          "it is accepted with more around it");
  require(!read(text.substr(0, text.rfind(']'))), "it is accepted without its end");
}

}  // namespace tickstock::fuzz
