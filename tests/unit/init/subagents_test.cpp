#include "launcher/init/subagents.h"

#include <gtest/gtest.h>

namespace agentbox::init {
namespace {

TEST(SubagentsTest, ClaudeCodeGetsAServerOfItsOwnForEach) {
  const std::vector<File> files = subagent_files(find_agent("claude"), {"db", "a.b"});
  ASSERT_EQ(files.size(), 2u);
  EXPECT_EQ(files[0].path, ".claude/agents/db.md");
  EXPECT_EQ(files[0].text.substr(0, files[0].text.find("\n\n")),
            "---\n"
            "name: \"db\"\n"
            "description: \"Runs commands with the secrets, files and hosts of the scope db.\"\n"
            "tools: \"Read, Grep, Glob, mcp__agentbox-db__run_scoped\"\n"
            "mcpServers:\n"
            "  - \"agentbox-db\":\n"
            "      command: \"agentbox\"\n"
            "      args: [\"mcp\", \"--scope\", \"db\"]\n"
            "---");
  // A dot is none of a tool's characters there.
  EXPECT_NE(files[1].text.find("mcp__agentbox-a_b__run_scoped"), std::string::npos);
  EXPECT_NE(files[1].text.find("\"agentbox-a.b\""), std::string::npos);
}

TEST(SubagentsTest, EachProgramHasItsPlace) {
  EXPECT_EQ(subagent_files(find_agent("codex"), {"db"}).at(0).path, ".codex/agents/db.toml");
  EXPECT_EQ(subagent_files(find_agent("opencode"), {"db"}).at(0).path, ".opencode/agents/db.md");
  EXPECT_TRUE(subagent_files(find_agent("gemini"), {"db"}).empty());
  EXPECT_TRUE(subagent_files(find_agent("claude"), {}).empty());
}

}  // namespace
}  // namespace agentbox::init
