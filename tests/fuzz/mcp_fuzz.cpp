// Any bytes as the input of an MCP server: what goes out is one JSON object a line, calls stay
// bounded, and a call that was handed out is answered once. The first byte chooses how the input is
// cut into reads.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "launcher/mcp/lines.h"
#include "launcher/mcp/protocol.h"

namespace {

using agentbox::mcp::Json;

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "mcp: %s\n", what);
    std::abort();
  }
}

void check(const Json& message) {
  const std::string line = agentbox::mcp::line_of(message);
  require(line.find('\n') == line.size() - 1, "a message of several lines");
  const Json again = Json::parse(line, nullptr, false);
  require(again.is_object() && again.value("jsonrpc", "") == "2.0", "no message of the protocol");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace agentbox::mcp;
  if (size == 0) {
    return 0;
  }
  const std::size_t step = data[0] == 0 ? size : data[0];
  const std::string input(data + 1, data + size);
  Protocol protocol({"fuzz", "Fuzz", "1", ""},
                    {{.name = "add", .title = "", .text = "", .input = {}, .output = {}}});
  LineReader lines(1000);
  std::vector<ToolCall> calls;
  std::size_t cancelled = 0;
  for (std::size_t at = 0; at < input.size(); at += step) {
    lines.add(std::string_view(input).substr(at, step));
    while (const auto line = lines.next()) {
      require(line->text.size() <= 1000, "a line that is too long");
      const Reaction reaction = protocol.receive(line->text);
      for (const Json& message : reaction.messages) {
        check(message);
      }
      calls.insert(calls.end(), reaction.calls.begin(), reaction.calls.end());
      cancelled += reaction.cancelled.size();
      require(calls.size() - cancelled <= Protocol::kMostPending, "too many calls at once");
    }
  }
  std::size_t answered = 0;
  for (const ToolCall& call : calls) {
    require(call.arguments.is_object(), "arguments that are no object");
    const Json message = protocol.result(call, {"text", {{"sum", 1}}, false});
    if (!message.is_null()) {
      check(message);
      ++answered;
    }
    if (!call.progress_token.is_null()) {
      check(Protocol::progress(call, 1, "more"));
    }
    require(protocol.result(call, {}).is_null(), "a call that is answered twice");
  }
  require(answered <= calls.size() - cancelled, "a cancelled call that is answered");
  return 0;
}
