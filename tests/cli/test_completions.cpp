// Shell completions offer what the program accepts. Each shell does its own completing.

#include <cstdlib>

#include "cli/man_pages.hpp"
#include "cli/scene.hpp"

using namespace tickstock::test;

namespace {

const std::string folder = TICKSTOCK_CACHE_BUILD_DIR "/completions";

/// Calls the function as bash does, with the words of a line as bash splits it.
constexpr const char* ask_bash = R"(
source "$1/tickstock-cache"
COMP_WORDS=()
while read -r word; do COMP_WORDS+=("$word"); done < <(sed -E 's/ |$/\n/g; s/=/\n=\n/g' <<<"$2" | sed '/^$/d')
[[ $2 != *' ' ]] || COMP_WORDS+=('')
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
compopt() { :; }
_tickstock_cache tickstock-cache "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
)";

/// Types the line and a tab in a shell of its own, which records what it would offer.
constexpr const char* ask_zsh = R"(
zmodload zsh/zpty
cat > setup <<'END'
PS1=; unset zle_bracketed_paste
fpath=("$folder" $fpath)
autoload -Uz compinit && compinit -D -u
compadd() {
  local -a found
  if [[ " $* " == *' '-[a-zA-Z]#(O|A|D)' '* ]]; then builtin compadd "$@"; return; fi
  builtin compadd -A found "$@"
  print -rl -- $found >> offered
  builtin compadd "$@"
}
report() { touch done }
comppostfuncs=(report)
setopt extended_glob
bindkey '^I' complete-word
END
zpty shell zsh -f -i
zpty -w shell "folder=${(q)1}; . ./setup; touch ready"
until [[ -e ready ]]; do zpty -r -t shell >/dev/null; sleep 0.01; done
zpty -w -n shell "$2"$'\t'
until [[ -e done ]]; do zpty -r -t shell >/dev/null; sleep 0.01; done
[[ ! -e offered ]] || cat offered
)";

/// What fish inserts. Since version 4 it also lists candidates that contain the word elsewhere,
/// which it uses only if none begins with it.
constexpr const char* ask_fish = R"(
source $argv[1]/tickstock-cache.fish
set word (string match -r '[^ ]*$' -- $argv[2])
set found (complete -C $argv[2] | string replace -r '\t.*' '')
string match -r '^'(string escape --style=regex -- $word)'.*' -- $found || string join \n -- $found || true
)";

/// A shell, and how to ask it what it offers at the end of a line.
struct Shell {
  std::string name;
  Names command;
};

/// Returns the installed shells; all of them in continuous integration.
std::vector<Shell> shells() {
  std::vector<Shell> found;
  for (const Shell& shell : {Shell{"bash", {"bash", "--norc", "-c", ask_bash, "bash"}},
                             Shell{"zsh", {"zsh", "-f", "-c", ask_zsh, "zsh"}},
                             Shell{"fish", {"fish", "--no-config", "-c", ask_fish}}}) {
    if (run_process({"sh", "-c", "command -v " + shell.name}).status == 0) {
      found.push_back(shell);
    } else {
      WARN(shell.name + " is not installed");
      CHECK(std::getenv("CI") == nullptr);
    }
  }
  return found;
}

/// Returns what a shell offers at the end of this line, in a folder with the file note.toml.
Strings offered(const Shell& shell, const std::string& line) {
  const TemporaryDirectory directory;
  directory.write("note.toml", "");
  RunOptions options;
  options.directory = directory.path();
  const ProcessResult result =
      run_process(with(shell.command, {folder, "tickstock-cache " + line}), options);
  INFO(shell.name << ": " << line << ": " << result.err);
  CHECK(result.status == 0);
  Strings words;
  for (std::string word : lines_of(result.out)) {
    if (word.starts_with("--") && word.ends_with('=')) word.pop_back();
    if (const auto equals = word.find('='); word.starts_with("--") && equals != std::string::npos)
      word.erase(0, equals + 1);
    if (!word.empty()) words.insert(word);
  }
  return words;
}

/// Returns the long options that the help of a command lists.
Strings long_options(const std::string& command) {
  return set_of(matches(help_of(command), "\n  (?:-.,)?(--[a-z-]+)"));
}

}  // namespace

TEST_CASE("shells complete exactly the commands and the options of each") {
  for (const Shell& shell : shells()) {
    INFO(shell.name);
    CHECK(offered(shell, "") == commands());
    CHECK(offered(shell, "--log-format json st") == Strings{"status"});
    CHECK(offered(shell, "--") == long_options(""));
    for (const std::string& command : commands()) {
      INFO(command);
      CHECK(offered(shell, command + " --") == long_options(command));
    }
  }
}

TEST_CASE("shells complete the values of options") {
  for (const Shell& shell : shells()) {
    INFO(shell.name);
    CHECK(offered(shell, "sync --for") == Strings{"--format"});
    CHECK(offered(shell, "sync --format ") == Strings{"json", "markdown", "text"});
    CHECK(offered(shell, "replay --format ") == Strings{"csv", "json", "text"});
    CHECK(offered(shell, "check --format ") == Strings{"json", "text"});
    CHECK(offered(shell, "sync --format=j") == Strings{"json"});
    CHECK(offered(shell, "-q --log-format=json history --format t") == Strings{"text"});
    CHECK(offered(shell, "check --config no") == Strings{"note.toml"});
    CHECK(offered(shell, "sync --as-of ").empty());
    CHECK(offered(shell, "status night-1 --fo") == Strings{"--format"});
  }
}
