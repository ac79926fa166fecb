#include "launcher/init/agents.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "base/error.h"

namespace agentbox::init {
namespace {

using nlohmann::json;

TEST(AgentsTest, ANewConfigurationHoldsTheServerAlone) {
  EXPECT_EQ(json::parse(*with_server(find_agent("claude"), std::nullopt)),
            json::parse(R"({"mcpServers":{"agentbox":{"command":"agentbox","args":["mcp"]}}})"));
  const json opencode = json::parse(*with_server(find_agent("opencode"), ""));
  EXPECT_EQ(opencode["mcp"]["agentbox"]["command"], json::parse(R"(["agentbox","mcp"])"));
}

TEST(AgentsTest, WhatIsThereIsKeptInItsOrder) {
  const std::string before =
      R"({"zeta":1,"mcpServers":{"other":{"command":"x"}},"alpha":{"b":[1.50,null]}})";
  const std::string after = *with_server(find_agent("claude"), before);
  json expected = json::parse(before);
  expected["mcpServers"]["agentbox"] = {{"command", "agentbox"}, {"args", {"mcp"}}};
  EXPECT_EQ(json::parse(after), expected);
  EXPECT_LT(after.find("zeta"), after.find("mcpServers"));
  EXPECT_LT(after.find("mcpServers"), after.find("alpha"));
  EXPECT_FALSE(with_server(find_agent("claude"), after)) << "a second time";
}

TEST(AgentsTest, WhatCannotBeKeptIsNotTouched) {
  for (const char* text : {"{ // a comment\n}", "[]", "{", R"({"mcpServers":[]})"}) {
    EXPECT_THROW(with_server(find_agent("claude"), text), base::Error) << text;
  }
}

TEST(AgentsTest, UnknownAgentsAreRefusedWithTheNearest) {
  try {
    find_agent("cloude");
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_NE(error.hint().find("claude"), std::string::npos);
  }
  for (const std::string& name : agent_names()) {
    EXPECT_EQ(find_agent(name).name, name);
  }
}

}  // namespace
}  // namespace agentbox::init
