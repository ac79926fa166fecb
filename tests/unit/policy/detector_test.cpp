// The detector's own promises; detector_examples_test.cpp holds it to examples of each kind.
#include "policy/detector.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace agentbox::policy {
namespace {

std::vector<Finding> find(std::string_view text, std::string_view path = "") {
  std::vector<Finding> findings;
  Detector::shipped().find(text, path, findings);
  return findings;
}

// Letters and digits without a pattern. Tokens are put together here, so that no scanner of this
// repository takes them for real ones.
std::string random_text(std::size_t length, std::string_view alphabet, unsigned seed = 1) {
  std::string text;
  std::uint64_t state = seed * 0x9e3779b97f4a7c15u + 1;
  for (std::size_t i = 0; i < length; ++i) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    text += alphabet[(state >> 33) % alphabet.size()];
  }
  return text;
}

constexpr std::string_view kAlnum =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

TEST(Detector, KnowsAHundredKinds) {
  std::set<std::string_view> ids;
  for (const SecretKind& kind : Detector::shipped().kinds()) {
    EXPECT_TRUE(ids.insert(kind.id).second) << kind.id;
    EXPECT_FALSE(kind.title.empty());
  }
  EXPECT_GE(ids.size(), 100u);
}

TEST(Detector, FindsTheValueAndNoByteMore) {
  const std::string token = "ghp_" + random_text(36, kAlnum);
  const std::string text = "first line\nexport GITHUB_TOKEN=\"" + token + "\" # mine\n";
  const auto findings = find(text, ".env");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(text.substr(findings[0].offset, findings[0].length), token);
  EXPECT_EQ(findings[0].kind->id, "github-token");
}

TEST(Detector, AppendsInOrderWithoutOverlap) {
  std::string text;
  for (unsigned i = 1; i < 40; ++i) {
    text += "password=" + random_text(12, kAlnum, i) + "\nAuthorization: Bearer ghp_" +
            random_text(36, kAlnum, i + 100) + "\n";
  }
  const auto findings = find(text);
  EXPECT_GE(findings.size(), 70u);
  std::size_t end = 0;
  for (const Finding& finding : findings) {
    EXPECT_GE(finding.offset, end);
    EXPECT_GT(finding.length, 0u);
    end = finding.offset + finding.length;
  }
  EXPECT_LE(end, text.size());
}

TEST(Detector, LeavesPlaceholdersAndReferences) {
  for (const char* const text :
       {"DB_PASSWORD=changeme", "API_KEY=${API_KEY}", "api_key: op://vault/item/key",
        "token: \"<your-token>\"", "SECRET_KEY=xxxxxxxxxxxxxxxx",
        "aws_access_key_id = AKIAIOSFODNN7EXAMPLE",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8",
        "\"integrity\": \"sha512-8vHZ2+1UqTLxIrYbR6uQ7gDqN0dYyT1sQ==\"",
        "id: 3d813cbb-47fb-32ba-91df-831e1593ac29", "password = get_password(user)"}) {
    EXPECT_TRUE(find(text).empty()) << text;
  }
}

// Lines of settings, code and tokens, with keys of many lines among them.
std::string long_text(std::size_t length) {
  std::string text;
  for (unsigned i = 1; text.size() < length; ++i) {
    text += "int value_" + std::to_string(i) + " = compute(" + std::to_string(i * 7) + ");\n";
    switch (i % 40) {
      case 3:
        text += "api_key: " + random_text(40, kAlnum, i) + "\n";
        break;
      case 11:
        text += "git clone https://me:glpat-" + random_text(20, kAlnum, i) + "@git.corp/x\n";
        break;
      case 19:
        text += "postgres://app:" + random_text(16, kAlnum, i) + "@db/app\n";
        break;
      case 31:
        text += "-----BEGIN RSA PRIVATE KEY-----\n";
        for (unsigned line = 0; line < 25 + i % 30; ++line) {
          text += random_text(64, kBase64, i * 100 + line) + "\n";
        }
        text += "-----END RSA PRIVATE KEY-----\n";
        break;
      default:
        break;
    }
  }
  return text;
}

TEST(Detector, FindsTheSameThroughWindows) {
  const std::string text = long_text(400'000);
  const auto whole = find(text, "app.log");
  ASSERT_GT(whole.size(), 100u);
  for (const std::size_t step : {16'384u, 20'011u, 65'536u}) {
    std::vector<Finding> pieces;
    for (std::size_t begin = 0; begin < text.size(); begin += step) {
      const std::size_t end = std::min(text.size(), begin + step + Detector::kReach);
      const bool last = end == text.size();
      for (const Finding& finding : find(text.substr(begin, end - begin), "app.log")) {
        const std::size_t offset = begin + finding.offset;
        if ((begin == 0 || offset >= begin + Detector::kReach / 2) &&
            (last || offset < end - Detector::kReach / 2)) {
          pieces.push_back({offset, finding.length, finding.kind});
        }
      }
      if (last) {
        break;
      }
    }
    ASSERT_EQ(pieces.size(), whole.size()) << step;
    for (std::size_t i = 0; i < whole.size(); ++i) {
      EXPECT_EQ(pieces[i].offset, whole[i].offset) << step;
      EXPECT_EQ(pieces[i].length, whole[i].length) << step;
      EXPECT_EQ(pieces[i].kind, whole[i].kind) << step;
    }
  }
}

// The middle of a very long key has nothing near that says what it is; both of its ends have.
TEST(Detector, FindsBothEndsOfALongKey) {
  std::string body;
  for (unsigned line = 0; line < 230; ++line) {
    body += random_text(64, kBase64, line + 1) + "\n";
  }
  const std::string text =
      "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + body + "-----END PGP PRIVATE KEY BLOCK-----\n";
  std::size_t covered = 0;
  for (const Finding& finding : find(text)) {
    EXPECT_LE(finding.length, Detector::kReach);
    covered += finding.length;
  }
  EXPECT_GE(covered, body.size() - 1);
}

TEST(Detector, FindsTokensBetweenTheFieldsOfADatabasePage) {
  const std::string token = "ghp_" + random_text(36, kAlnum);
  std::string page(64, '\0');
  page += "\x05\x11name" + token;
  page += std::string(8, '\0') + "next";
  const auto findings = find(page);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(page.substr(findings[0].offset, token.size()), token);
}

TEST(Detector, GoesByTheFilesName) {
  const std::string hash = random_text(40, kAlnum);
  const std::string text = "secret_key = \"" + hash + "\"\n";
  EXPECT_EQ(find(text, "app.toml").size(), 1u);
  EXPECT_TRUE(find(text, "Cargo.lock").empty());
  const std::string line = "db:6000:app:me:" + random_text(12, kAlnum) + "\n";
  EXPECT_EQ(find(line, "home/.pgpass").size(), 1u);
  EXPECT_TRUE(find(line, "notes.txt").empty());
}

TEST(Detector, AnswersOnEmptyAndOddTexts) {
  EXPECT_TRUE(find("").empty());
  EXPECT_TRUE(find(std::string_view()).empty());
  EXPECT_TRUE(find("=").empty());
  EXPECT_TRUE(find(std::string(100'000, '\0')).empty());
  EXPECT_TRUE(find(std::string(100'000, 'A')).empty());
  std::string all;
  for (int c = 0; c < 256; ++c) {
    all += static_cast<char>(c);
  }
  EXPECT_TRUE(find(all + all).empty());
  for (const char* const cut :
       {"password", "password=", "password=\"", "-----BEGIN PRIVATE KEY-----", "://a:", "eyJ",
        "eyJhbGciOi.", "\"kty\"", "machine ", "kind: Secret", "curl -u ", "Authorization: Basic ",
        "PuTTY-User-Key-File-"}) {
    EXPECT_TRUE(find(cut).empty()) << cut;
  }
}

TEST(Detector, ThreadsSearchAtTheSameTime) {
  const std::string text = long_text(100'000);
  const std::size_t expected = find(text).size();
  std::vector<std::thread> threads;
  std::atomic<unsigned> right = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        right += find(text).size() == expected;
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(right, 20u);
}

// docs/detection.md has a row for each kind: "| `id` | title |".
TEST(Detector, IsDocumentedKindByKind) {
  std::ifstream in(AGENTBOX_SOURCE_DIR "/docs/detection.md");
  std::set<std::string> rows, kinds;
  std::string line;
  while (std::getline(in, line)) {
    if (line.starts_with("| `")) {
      rows.insert(line);
    }
  }
  for (const SecretKind& kind : Detector::shipped().kinds()) {
    kinds.insert("| `" + std::string(kind.id) + "` | " + std::string(kind.title) + " |");
  }
  for (const std::string& kind : kinds) {
    EXPECT_TRUE(rows.contains(kind)) << "not in docs/detection.md: " << kind;
  }
  EXPECT_EQ(rows.size(), kinds.size());
}

}  // namespace
}  // namespace agentbox::policy
