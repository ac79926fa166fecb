// Any bytes from a box: cut into messages, which are requests or refused, and requests for a
// sibling that are within their bounds or refused. What is accepted says the same when it is
// written and read again. The first byte chooses how the input is cut into reads.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "launcher/broker/frame.h"
#include "launcher/broker/spawning.h"

namespace {

using namespace agentbox::broker;

void require(bool holds, const char* what) {
  if (!holds) {
    std::fprintf(stderr, "broker: %s\n", what);
    std::abort();
  }
}

void check_spawn(const nlohmann::json& params) {
  std::string problem;
  const auto request = read_spawn_request(params, problem);
  if (!request) {
    require(!problem.empty(), "a refusal without a reason");
    return;
  }
  require(request->scope.empty() != request->command.empty(), "neither a scope nor a command");
  require(!request->arguments.empty(), "a request for nothing");
  require(request->directory.front() == '/', "a directory that is not absolute");
  for (const std::string& word : request->arguments) {
    require(word.find('\0') == std::string::npos, "a word that execve(2) would cut");
  }
  const nlohmann::json written = to_json(*request);
  const auto again = read_spawn_request(written, problem);
  require(again && to_json(*again) == written, "a request that changes on its way");
}

void check(const std::string& text) {
  require(!text.empty() && text.size() <= kLongestMessage, "a message of a wrong length");
  std::uint64_t id = 0;
  std::string problem;
  const auto request = parse_request(text, id, problem);
  if (!request) {
    require(!problem.empty(), "a refusal without a reason");
    const std::string answer = frame(error_message(id, "bad_request", problem));
    require(answer.size() <= kLengthSize + kLongestMessage, "an answer that is too long");
    return;
  }
  require(request->params.is_object(), "parameters that are no object");
  check_spawn(request->params);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) {
    return 0;
  }
  const std::size_t step = data[0] == 0 ? size : data[0];
  const std::string input(data + 1, data + size);
  FrameReader frames;
  for (std::size_t at = 0; at < input.size() && !frames.broken(); at += step) {
    frames.add(std::string_view(input).substr(at, step));
    while (const auto message = frames.next()) {
      check(*message);
    }
  }
  // And as if it were one message, so that mutations need not get a length right.
  if (!input.empty() && input.size() <= kLongestMessage) {
    check(input);
  }
  return 0;
}
