#include "launcher/mcp/protocol.h"

#include <gtest/gtest.h>

namespace agentbox::mcp {
namespace {

class ProtocolTest : public ::testing::Test {
 protected:
  Json ask(const Json& message) { return only(protocol_.receive(message.dump())); }

  static Json only(const Reaction& reaction) {
    EXPECT_EQ(reaction.messages.size(), 1u);
    return reaction.messages.empty() ? Json() : reaction.messages.front();
  }

  static Json request(int id, const char* method, Json params = Json::object()) {
    return {{"jsonrpc", "2.0"}, {"id", id}, {"method", method}, {"params", std::move(params)}};
  }

  Json initialize(const char* version) {
    return ask(request(0, "initialize", {{"protocolVersion", version}}));
  }

  Reaction call(Json id, const char* tool = "add", Json more = Json::object()) {
    Json message = request(0, "tools/call", {{"name", tool}, {"arguments", {{"a", 1}}}});
    message["id"] = std::move(id);
    message["params"].update(more);
    return protocol_.receive(message.dump());
  }

  static Json stateless(const char* version = "2026-07-28") {
    return {{"_meta",
             {{"io.modelcontextprotocol/protocolVersion", version},
              {"io.modelcontextprotocol/clientCapabilities", Json::object()}}}};
  }

  static int code(const Json& message) { return message.at("error").at("code"); }

  Protocol protocol_{{"server", "The server", "1", "Do this."},
                     {{.name = "add",
                       .title = "Add",
                       .text = "Adds.",
                       .input = {{"type", "object"}},
                       .output = {{"type", "object"}},
                       .read_only = true}}};
};

TEST_F(ProtocolTest, AnswersInTheRevisionThatWasAskedForElseInTheNewestWithSessions) {
  for (const char* version : {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}) {
    Protocol fresh({"server", "The server", "1", ""}, {});
    const Json answer =
        only(fresh.receive(request(0, "initialize", {{"protocolVersion", version}}).dump()));
    EXPECT_EQ(answer["result"]["protocolVersion"], version);
    EXPECT_TRUE(answer["result"]["capabilities"].contains("tools"));
    EXPECT_EQ(answer["result"]["serverInfo"]["name"], "server");
  }
  EXPECT_EQ(initialize("1999-01-01")["result"]["protocolVersion"], "2025-11-25");
  EXPECT_EQ(code(initialize("2025-11-25")), kInvalidRequest) << "a second time";
}

TEST_F(ProtocolTest, NothingButPingComesBeforeInitialize) {
  EXPECT_EQ(ask(request(1, "ping"))["result"], Json::object());
  EXPECT_EQ(code(ask(request(2, "tools/list"))), kInvalidRequest);
  EXPECT_TRUE(call(3).calls.empty());
  initialize("2025-06-18");
  EXPECT_EQ(ask(request(4, "tools/list"))["result"]["tools"].size(), 1u);
}

TEST_F(ProtocolTest, OlderRevisionsAreNotToldWhatTheyDoNotKnow) {
  initialize("2025-03-26");
  const Json tool = ask(request(1, "tools/list"))["result"]["tools"][0];
  EXPECT_FALSE(tool.contains("outputSchema"));
  EXPECT_FALSE(tool.contains("title"));
  const ToolCall made = call(2).calls.at(0);
  const Json result = protocol_.result(made, {"", {{"sum", 3}}, false})["result"];
  EXPECT_FALSE(result.contains("structuredContent"));
  EXPECT_EQ(result["content"][0]["text"], "{\"sum\":3}");
}

TEST_F(ProtocolTest, ACallIsHandedOutAndItsResultSent) {
  initialize("2025-06-18");
  const Reaction reaction = call("abc", "add", {{"_meta", {{"progressToken", 7}}}});
  ASSERT_EQ(reaction.calls.size(), 1u);
  EXPECT_TRUE(reaction.messages.empty());
  const ToolCall& made = reaction.calls.front();
  EXPECT_EQ(made.tool, "add");
  EXPECT_EQ(made.arguments, (Json{{"a", 1}}));
  const Json progress = Protocol::progress(made, 1, "half of it");
  EXPECT_EQ(progress["method"], "notifications/progress");
  EXPECT_EQ(progress["params"]["progressToken"], 7);
  const Json answer = protocol_.result(made, {"text", {{"sum", 3}}, false});
  EXPECT_EQ(answer["id"], "abc");
  EXPECT_EQ(answer["result"]["content"][0]["text"], "text");
  EXPECT_EQ(answer["result"]["structuredContent"]["sum"], 3);
  EXPECT_EQ(answer["result"]["isError"], false);
  EXPECT_TRUE(protocol_.result(made, {"again", nullptr, false}).is_null());
}

TEST_F(ProtocolTest, ACancelledCallHasNoAnswer) {
  initialize("2025-06-18");
  const ToolCall made = call(5).calls.at(0);
  const Reaction reaction =
      protocol_.receive(notification("notifications/cancelled", {{"requestId", 5}}).dump());
  EXPECT_EQ(reaction.cancelled, std::vector<Json>{5});
  EXPECT_TRUE(reaction.messages.empty());
  EXPECT_TRUE(protocol_.result(made, {"late", nullptr, false}).is_null());
  const Reaction again =
      protocol_.receive(notification("notifications/cancelled", {{"requestId", 5}}).dump());
  EXPECT_TRUE(again.cancelled.empty());
}

TEST_F(ProtocolTest, CallsAreBoundedAndTheirIdsApart) {
  initialize("2025-06-18");
  std::vector<ToolCall> calls;
  for (std::size_t i = 0; i < Protocol::kMostPending; ++i) {
    calls.push_back(call(static_cast<int>(i)).calls.at(0));
  }
  EXPECT_EQ(code(only(call(0))), kInvalidRequest);
  const Reaction busy = call(99);
  EXPECT_TRUE(busy.calls.empty());
  EXPECT_EQ(only(busy)["result"]["isError"], true);
  protocol_.result(calls.back(), {"done", nullptr, false});
  EXPECT_EQ(call(99).calls.size(), 1u);
}

TEST_F(ProtocolTest, WhatIsWrongIsSaidByItsCode) {
  EXPECT_EQ(code(only(protocol_.receive("{"))), kParseError);
  EXPECT_EQ(code(only(protocol_.receive(R"({"jsonrpc":"2.0","id":1,"id":2,"method":"ping"})"))),
            kParseError);
  EXPECT_EQ(code(only(protocol_.receive(std::string(100, '[') + std::string(100, ']')))),
            kParseError);
  EXPECT_EQ(code(only(protocol_.receive("[]"))), kInvalidRequest);
  EXPECT_EQ(code(only(protocol_.receive(R"({"id":1,"method":"ping"})"))), kInvalidRequest);
  EXPECT_EQ(code(only(protocol_.receive(R"({"jsonrpc":"2.0","id":null,"method":"ping"})"))),
            kInvalidRequest);
  EXPECT_EQ(
      code(only(protocol_.receive(R"({"jsonrpc":"2.0","id":1,"method":"ping","params":[]})"))),
      kInvalidParams);
  initialize("2025-06-18");
  EXPECT_EQ(code(ask(request(1, "resources/list"))), kMethodNotFound);
  EXPECT_EQ(code(ask(request(1, "server/discover"))), kMethodNotFound);
  EXPECT_EQ(code(only(call(1, "nothing"))), kInvalidParams);
  EXPECT_EQ(code(only(call(1, "add", {{"arguments", 3}}))), kInvalidParams);
}

TEST_F(ProtocolTest, AnswersAndUnknownNotificationsAreLeftAlone) {
  EXPECT_TRUE(protocol_.receive(R"({"jsonrpc":"2.0","id":1,"result":{}})").messages.empty());
  EXPECT_TRUE(protocol_.receive(notification("notifications/initialized", Json::object()).dump())
                  .messages.empty());
}

TEST_F(ProtocolTest, BatchesAreOfOneRevision) {
  const std::string batch = Json::array({request(1, "ping"), request(2, "ping")}).dump();
  EXPECT_EQ(code(only(protocol_.receive(batch))), kInvalidRequest);
  initialize("2025-03-26");
  EXPECT_EQ(protocol_.receive(batch).messages.size(), 2u);
}

TEST_F(ProtocolTest, WithoutASessionEachRequestTellsItsRevision) {
  const Json found = ask(request(1, "server/discover", stateless()))["result"];
  EXPECT_EQ(found["supportedVersions"][0], "2026-07-28");
  EXPECT_EQ(found["resultType"], "complete");
  EXPECT_EQ(found["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "server");
  const Json listed = ask(request(2, "tools/list", stateless()))["result"];
  EXPECT_TRUE(listed.contains("ttlMs"));
  EXPECT_TRUE(listed["tools"][0].contains("outputSchema"));
  const ToolCall made = call(3, "add", stateless()).calls.at(0);
  EXPECT_EQ(protocol_.result(made, {"text", nullptr, false})["result"]["resultType"], "complete");
  EXPECT_EQ(code(ask(request(4, "ping", stateless()))), kMethodNotFound);
}

TEST_F(ProtocolTest, ARevisionThatIsUnknownIsRefusedWithTheKnownOnes) {
  const Json answer = ask(request(1, "tools/list", stateless("2030-01-01")));
  EXPECT_EQ(code(answer), kUnsupportedVersion);
  EXPECT_EQ(answer["error"]["data"]["requested"], "2030-01-01");
  EXPECT_EQ(answer["error"]["data"]["supported"], Protocol::versions());
  Json bare = stateless();
  bare["_meta"].erase("io.modelcontextprotocol/clientCapabilities");
  EXPECT_EQ(code(ask(request(2, "tools/list", bare))), kInvalidParams);
}

}  // namespace
}  // namespace agentbox::mcp
