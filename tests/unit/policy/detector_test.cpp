// The detector's own promises; what it finds of each kind is held to the examples in
// detector_examples.h.
#include "policy/detector.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
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

}  // namespace
}  // namespace agentbox::policy
