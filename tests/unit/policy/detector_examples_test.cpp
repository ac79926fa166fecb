// The detector held to labelled examples: detector_examples/*.txt.
//
// "=== KIND PATH" begins an example, "none" for what is no secret. What must be found, and no byte
// more, stands between « and ». {w36} becomes 36 random bytes of the class that w names, {base64:…}
// the encoding of the rest, {nul} a NUL: no token is in the repository, where scanners would take
// it for real.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "policy/detector.h"

namespace agentbox::policy {
namespace {

struct Example {
  std::string kind, path, text;
};

struct Span {
  std::size_t begin = 0, end = 0;
};

std::string_view class_of(char name) {
  switch (name) {
    case 'd':
      return "0123456789";
    case 'h':
      return "0123456789abcdef";
    case 'H':
      return "0123456789ABCDEF";
    case 'l':
      return "0123456789abcdefghijklmnopqrstuvwxyz";
    case 'u':
      return "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    case 'U':  // Bech32 (BIP 173), in upper case
      return "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L";
    case 'q':
      return "abcdefghijklmnopqrstuvwxyz";
    case 'a':
      return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    case 'w':
      return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    case 'b':
      return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    case 't':
      return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    default:
      return "";
  }
}

std::string base64(std::string_view bytes) {
  const std::string_view digits = class_of('b');
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t bits = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      bits = bits << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k <= bytes.size() ? digits[bits >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

class Expander {
 public:
  explicit Expander(unsigned seed) : random_(seed) {}

  std::string expand(std::string_view text) {
    std::string out;
    std::size_t i = 0;
    while (i < text.size()) {
      constexpr std::string_view kNul = "{nul}";
      if (text.substr(i).starts_with(kNul)) {
        out += '\0';
        i += kNul.size();
        continue;
      }
      constexpr std::string_view kBase64 = "{base64:";
      if (text.substr(i).starts_with(kBase64)) {
        std::size_t depth = 1, end = i + kBase64.size();
        for (; depth > 0; ++end) {
          depth += text.at(end) == '{';
          depth -= text.at(end) == '}';
        }
        out += base64(expand(text.substr(i + kBase64.size(), end - 1 - i - kBase64.size())));
        i = end;
        continue;
      }
      std::size_t end = i + 2;
      while (end < text.size() && text[end] >= '0' && text[end] <= '9') {
        ++end;
      }
      const bool placeholder = text[i] == '{' && end > i + 2 && end < text.size() &&
                               text[end] == '}' && !class_of(text[i + 1]).empty();
      if (!placeholder) {
        out += text[i++];
        continue;
      }
      const std::string_view alphabet = class_of(text[i + 1]);
      const auto count = std::stoul(std::string(text.substr(i + 2, end - i - 2)));
      for (unsigned long n = 0; n < count; ++n) {
        out += alphabet[random_() % alphabet.size()];
      }
      i = end + 1;
    }
    return out;
  }

 private:
  std::mt19937 random_;
};

std::vector<Example> read_examples() {
  std::vector<Example> examples;
  const std::filesystem::path folder = AGENTBOX_SOURCE_DIR "/tests/unit/policy/detector_examples";
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  for (const auto& file : files) {
    std::ifstream in(file);
    std::string line;
    bool first = true;
    while (std::getline(in, line)) {
      if (line.starts_with("=== ")) {
        const std::size_t blank = line.find(' ', 4);
        examples.push_back({line.substr(4, blank - 4), line.substr(blank + 1), ""});
        first = false;
      } else if (!first) {
        examples.back().text += line + "\n";
      }
    }
  }
  return examples;
}

// Takes the marks out of `text`.
std::vector<Span> take_marks(std::string& text) {
  std::vector<Span> spans;
  std::size_t at = 0;
  while ((at = text.find("«", at)) != std::string::npos) {
    text.erase(at, std::string_view("«").size());
    const std::size_t end = text.find("»", at);
    text.erase(end, std::string_view("»").size());
    spans.push_back({at, end});
    at = end;
  }
  return spans;
}

// The same wherever the example stands: adding one changes no other's values.
unsigned seed_of(const Example& example, unsigned round) {
  unsigned seed = round;
  for (const char c : example.text) {
    seed = seed * 31 + static_cast<unsigned char>(c);
  }
  return seed;
}

struct Score {
  unsigned expected = 0, found = 0, exact = 0;  // marked values: all of their bytes found
  unsigned findings = 0, right = 0;             // of them without a byte of anything else
  unsigned named = 0;                           // found under this kind
};

// Of one example with one set of random values. `show` prints what is wrong.
void judge(const Example& example, unsigned seed, std::map<std::string, Score>& scores, bool show) {
  std::string text = Expander(seed).expand(example.text);
  const std::vector<Span> spans = take_marks(text);
  std::vector<Finding> findings;
  Detector::shipped().find(text, example.path, findings);
  std::vector<char> covered(text.size()), marked(text.size());
  for (const Span& span : spans) {
    std::fill(marked.begin() + static_cast<long>(span.begin),
              marked.begin() + static_cast<long>(span.end), 1);
  }
  for (const Finding& finding : findings) {
    std::fill_n(covered.begin() + static_cast<long>(finding.offset), finding.length, 1);
    const auto begin = marked.begin() + static_cast<long>(finding.offset);
    const bool right = std::count(begin, begin + static_cast<long>(finding.length), 1) ==
                       static_cast<long>(finding.length);
    Score& score = scores[std::string(finding.kind->id)];
    ++score.findings;
    score.right += right;
    if (!right && show) {
      std::printf("  no secret [%s] %s: %s\n", std::string(finding.kind->id).c_str(),
                  example.path.c_str(), text.substr(finding.offset, finding.length).c_str());
    }
  }
  for (const Span& span : spans) {
    Score& score = scores[example.kind];
    ++score.expected;
    const bool found = std::count(covered.begin() + static_cast<long>(span.begin),
                                  covered.begin() + static_cast<long>(span.end),
                                  1) == static_cast<long>(span.end - span.begin);
    score.found += found;
    bool named = false;
    for (const Finding& finding : findings) {
      named = named || (finding.offset < span.end && span.begin < finding.offset + finding.length &&
                        finding.kind->id == example.kind);
    }
    score.named += named;
    if (!found && show) {
      std::printf("  missed [%s] %s: %s\n", example.kind.c_str(), example.path.c_str(),
                  text.c_str());
    }
  }
}

TEST(DetectorExamples, PrecisionAndRecallByKind) {
  const std::vector<Example> examples = read_examples();
  ASSERT_GE(examples.size(), 300u);
  constexpr unsigned kRounds = 8;
  std::map<std::string, Score> scores;
  for (unsigned round = 0; round < kRounds; ++round) {
    for (const Example& example : examples) {
      judge(example, seed_of(example, round), scores, round == 0);
    }
  }

  Score all;
  std::printf("%-28s %9s %9s %9s %9s\n", "kind", "examples", "recall", "findings", "precision");
  const auto print = [](const char* name, const Score& score) {
    std::printf("%-28s %9u %8.1f%% %9u %8.1f%%\n", name, score.expected,
                score.expected ? 100.0 * score.found / score.expected : 100.0, score.findings,
                score.findings ? 100.0 * score.right / score.findings : 100.0);
  };
  for (const auto& [kind, score] : scores) {
    print(kind.c_str(), score);
    all.expected += score.expected;
    all.found += score.found;
    all.findings += score.findings;
    all.right += score.right;
    // A kind whose rule is broken finds none of its examples, or gives them another's name.
    EXPECT_GE(score.found * 100, score.expected * 75) << kind << ": recall";
    EXPECT_GE(score.right * 100, score.findings * 75) << kind << ": precision";
    EXPECT_GE(score.named * 100, score.expected * 50) << kind << ": under its own name";
  }
  print("all", all);
  EXPECT_GE(all.found * 1000.0, all.expected * 985.0);
  EXPECT_GE(all.right * 1000.0, all.findings * 995.0);
}

TEST(DetectorExamples, NameKindsThatThereAre) {
  const auto kinds = Detector::shipped().kinds();
  for (const Example& example : read_examples()) {
    EXPECT_TRUE(example.kind == "none" ||
                std::any_of(kinds.begin(), kinds.end(),
                            [&](const SecretKind& kind) { return kind.id == example.kind; }))
        << example.kind;
  }
}

}  // namespace
}  // namespace agentbox::policy
