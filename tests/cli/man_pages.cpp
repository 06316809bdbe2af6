#include "man_pages.hpp"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <regex>

#include "cli/scene.hpp"

namespace tickstock::test {

std::string read_file(const std::filesystem::path& path) {
  INFO(path);
  std::ifstream file(path);
  REQUIRE(file);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<std::string> matches(const std::string& text, const std::string& pattern,
                                 std::size_t group) {
  const std::regex expression(pattern);
  std::vector<std::string> found;
  for (std::sregex_iterator it(text.begin(), text.end(), expression), end; it != end; ++it) {
    found.push_back((*it)[group]);
  }
  return found;
}

Strings set_of(const std::vector<std::string>& list) { return {list.begin(), list.end()}; }

std::vector<std::string> words_of(const std::string& text) { return matches(text, "(\\S+)"); }

ManPage::ManPage(const std::string& name)
    : name_(name), text_(read_file(TICKSTOCK_CACHE_MAN_DIR "/" + name)) {}

std::vector<Part> ManPage::section(const std::string& name) const {
  std::vector<Part> parts;
  for (const auto& line : lines_of(std::regex_replace(text_, std::regex("\\\\\n"), ""))) {
    if (line.starts_with(".Sh ")) {
      parts.push_back({line.substr(4), "", "", {}});
    } else if (line.starts_with(".Ss ")) {
      parts.push_back({parts.back().section, line.substr(4), "", {}});
    } else if (!parts.empty()) {
      Part& part = parts.back();
      part.text += line + "\n";
      if (line.starts_with(".It ")) {
        part.items.push_back({line.substr(4), ""});
      } else if (!part.items.empty()) {
        part.items.back().body += line + " ";
      }
    }
  }
  std::erase_if(parts, [&name](const Part& part) { return part.section != name; });
  INFO(name_ << ": " << name);
  REQUIRE_FALSE(parts.empty());
  return parts;
}

std::string ManPage::section_text(const std::string& name) const {
  std::string text;
  for (const Part& part : section(name)) text += part.text;
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::vector<std::string> ManPage::heads(const std::string& section_name,
                                        const std::string& pattern) const {
  std::vector<std::string> found;
  for (const Part& part : section(section_name)) {
    for (const Item& item : part.items) {
      INFO(name_ << ": " << item.head);
      const auto all = matches(item.head, pattern);
      CHECK_FALSE(all.empty());
      found.insert(found.end(), all.begin(), all.end());
    }
  }
  return found;
}

std::vector<std::string> ManPage::blocks(const std::string& section_name) const {
  static const std::vector<std::pair<std::regex, std::string>> characters{
      {std::regex(R"(\\\(->)"), "→"},
      {std::regex(R"(\\\(mi)"), "−"},
      {std::regex(R"(\\\[u2026\])"), "…"},
      {std::regex(R"(\\&)"), ""},
      {std::regex(R"(\\e)"), "\\"}};
  std::string text;
  for (const Part& part : section(section_name)) text += part.text;
  for (const auto& [escape, character] : characters)
    text = std::regex_replace(text, escape, character);
  return matches(text, "\\.Bd -literal[^\n]*\n([^]*?)\\.Ed");
}

Strings all_pages() {
  Strings names;
  for (const auto& entry : std::filesystem::directory_iterator(source_root / "man")) {
    const auto found = matches(entry.path().filename().string(), "^(.*\\.[1-9])\\.in$");
    names.insert(found.begin(), found.end());
  }
  REQUIRE(names.size() >= 14);
  return names;
}

ManPage page_of(const std::string& command) {
  return ManPage("tickstock-cache" + (command.empty() ? "" : "-" + command) + ".1");
}

ProcessResult run_alone(const std::vector<std::string>& arguments) {
  RunOptions options;
  options.environment = {{"DATABASE_URL", "postgresql://127.0.0.1:1/none"},
                         {"REDIS_URL", "redis://127.0.0.1:1"}};
  return run_process(Fixture::command(arguments), options);
}

std::string help_of(const std::string& command) {
  const std::vector<std::string> alone{"--help"};
  const ProcessResult result = run_alone(command.empty() ? alone : std::vector{command, alone[0]});
  REQUIRE(result.status == 0);
  return result.out;
}

Strings commands() {
  const std::string help = help_of("");
  const auto names = matches(
      help.substr(help.find("\nCommands:"), help.find("\n\nOutput:") - help.find("\nCommands:")),
      "\n  ([a-z-]+)  ");
  REQUIRE(names.size() >= 10);
  return set_of(names);
}

}  // namespace tickstock::test
