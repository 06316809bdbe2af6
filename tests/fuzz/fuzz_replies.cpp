#include <algorithm>

#include "domain/error.hpp"
#include "domain/text.hpp"
#include "fuzz/targets.hpp"
#include "redis/conversation.hpp"

namespace tickstock::fuzz {

namespace {

constexpr std::string_view secret = "CANARY";

struct Outcome {
  std::string error;
  std::string warning;
  std::size_t answered = 0;

  bool operator==(const Outcome&) const = default;
};

/// Has the conversation that the letters of `plan` describe, with the answers in these pieces.
Outcome converse(std::string_view plan, const std::vector<std::string_view>& answers) {
  const auto has = [plan](char letter) { return plan.find(letter) != std::string_view::npos; };
  redis::RedisSettings settings;
  if (has('u')) settings.user = "job";
  if (has('p')) settings.password = secret;
  if (has('d')) settings.database = 3;
  if (has('s')) settings.master = "desk";
  const Message event{"id", "tickstock:test", "test", "{}"};
  redis::Conversation conversation(settings);
  for (const char letter : plan) {
    if (letter == 'a') conversation.ask({"PUBLISH", event.channel, event.body}, false);
    if (letter == 'e') conversation.publish(event);
  }
  Outcome outcome;
  try {
    for (const std::string_view piece : answers) {
      const std::size_t before = conversation.answered();
      conversation.receive(piece);
      require(conversation.answered() >= before, "an answer is taken back");
    }
    if (conversation.refusal()) throw Error(*conversation.refusal());
  } catch (const Error& error) {
    require(error.kind() == ErrorKind::redis, "an error of another kind");
    outcome.error = error.what();
  }
  outcome.warning = conversation.warning();
  outcome.answered = conversation.answered();
  require(conversation.answered() <= conversation.asked(), "more is answered than was asked");
  return outcome;
}

void check_line(std::string_view line, bool secret_said) {
  require(line.empty() || line.starts_with("Redis at redis://127.0.0.1:6379/") ||
              line.starts_with("127.0.0.1:6379: "),
          "a line that doesn't say what it is about");
  const auto is_control = [](char c) { return (c >= '\0' && c < ' ') || c == '\x7f'; };
  require(line.size() < 500 && is_utf8(line) && std::ranges::none_of(line, is_control),
          "a line that is not fit to be printed");
  require(secret_said || line.find(secret) == std::string_view::npos,
          "a line repeats the password");
}

}  // namespace

/// Tests Redis' answers. The first line of an input is the conversation, the second the sizes of
/// the pieces, the rest the answers; the result must not depend on the pieces.
void fuzz_replies(std::string_view input) {
  const std::string_view plan = take_line(input);
  const std::string_view sizes = take_line(input);
  const std::string answers = expanded(input);
  const Outcome at_once = converse(plan, {answers});
  require(converse(plan, pieces(answers, sizes)) == at_once, "pieces change the outcome");
  const bool secret_said = answers.find(secret) != std::string::npos;
  check_line(at_once.error, secret_said);
  check_line(at_once.warning, secret_said);
}

}  // namespace tickstock::fuzz
