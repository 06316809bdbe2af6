#include "tables/odd_json.hpp"

#include <array>

namespace tickstock::test {

namespace {

// Pieces of strings: some of them are rejected, for their bytes or for what they stand for.
constexpr std::array sound_pieces{"A",
                                  "NVDA",
                                  "BRK/B",
                                  " ",
                                  "\\n",
                                  "\\\"",
                                  "\\\\",
                                  "\\/",
                                  "\\u0041",
                                  "\\u20aC",
                                  "\\ud83d\\uDE00",
                                  "ä",
                                  "漢",
                                  "😀",
                                  "\x7f",
                                  "\xf4\x8f\xbf\xbf",
                                  "\\u0001",
                                  "\\uffff",
                                  "'",
                                  "{",
                                  "\xef\xbf\xbf"};
constexpr std::array odd_pieces{"\\u0000",
                                "\\ud83d",
                                "\\ude00",
                                "\\ude00\\ud83d",
                                "\\ud83dA",
                                "\\x41",
                                "\\u12",
                                "\\u12g4",
                                "\\U0041",
                                "\\",
                                "\n",
                                "\t",
                                "\x1f",
                                "\xff",
                                "\xc3",
                                "\x80",
                                "\xc0\x80",
                                "\xed\xa0\x80",
                                "\xe0\x9f\xbf",
                                "\xf0\x8f\xbf\xbf",
                                "\xf4\x90\x80\x80",
                                "\xf0\x9f\x98"};
constexpr std::array scalars{"null",
                             "true",
                             "false",
                             "0",
                             "-0",
                             "1.50",
                             "2",
                             "1e131071",
                             "1e-16383",
                             "1e131072",
                             "1e999999",
                             "-1E+5",
                             "01",
                             "1.",
                             ".5",
                             "+1",
                             "NaN",
                             "Infinity",
                             "12345678901234567890.10",
                             "nul",
                             "True",
                             "\"text\"",
                             "{}",
                             "[]"};
constexpr std::array damage{"[",  "]", "{",    "}",  ",",  ":",  "\"",
                            "\\", "x", "/**/", "//", "\f", "\v", "\xef\xbb\xbf",
                            "'",  "1"};

template <typename Texts>
const char* pick(const Texts& texts, std::size_t number) {
  return texts[number % texts.size()];
}

}  // namespace

const char* OddJson::blank() {
  constexpr std::array blanks{"", "", "", "", " ", "\n", "\t", "\r\n  "};
  return pick(blanks, random_());
}

std::string OddJson::piece() {
  return once_in(40) ? pick(odd_pieces, random_()) : pick(sound_pieces, random_());
}

std::string OddJson::string() {
  std::string text = "\"";
  for (std::size_t i = below(4); i > 0; --i) text += piece();
  return text + "\"";
}

std::string OddJson::value(int depth) {
  switch (below(8)) {
    case 0: return list(depth + 1);
    case 1: return "{" + string() + ":" + (depth < 3 ? value(depth + 1) : "1") + "}";
    case 2: return string();
    default: return pick(scalars, random_());
  }
}

std::string OddJson::list(int depth) {
  std::string text = "[";
  const std::size_t count = below(6);
  for (std::size_t i = 0; i < count; ++i) {
    text += i == 0 ? "" : ",";
    text += blank();
    text += depth < 3 && once_in(25) ? value(depth) : string();
    text += blank();
  }
  return text + blank() + "]";
}

/// Cuts, repeats or corrupts one text in three.
std::string OddJson::damaged(std::string text) {
  if (!once_in(3)) return text;
  for (std::size_t i = 1 + below(2); i > 0; --i) {
    const std::size_t at = below(text.size() + 1);
    switch (below(4)) {
      case 0: text.erase(at, 1 + below(3)); break;
      case 1: text.insert(at, text.substr(below(text.size() + 1), below(5))); break;
      case 2: text.insert(at, 1, '\0'); break;
      default: text.insert(at, pick(damage, random_())); break;
    }
  }
  return text;
}

std::string OddJson::array() { return damaged(blank() + list(0) + blank()); }

std::string OddJson::content() {
  if (once_in(10)) return damaged(value(0));
  std::string text = "{";
  const std::size_t count = 1 + below(5);
  for (std::size_t i = 0; i < count; ++i) {
    text += i == 0 ? "" : ",";
    text += blank();
    switch (below(6)) {
      case 0:
      case 1: text += "\"symbols\":" + (once_in(6) ? value(0) : list(0)); break;
      case 2: text += "\"s\\u0079mbols\" :" + list(0); break;
      case 3: text += "\"count\": " + value(1); break;
      case 4: text += "\"metadata\"\t:" + value(1); break;
      default: text += string() + ":" + value(1); break;
    }
  }
  return damaged(text + blank() + "}");
}

}  // namespace tickstock::test
