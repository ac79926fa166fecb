#include "launcher/approvals/card.h"

#include <algorithm>

namespace agentbox::approvals {

namespace {

using nlohmann::json;

bool is_plain(const std::string& word) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./:=@%+,";
  return !word.empty() && word.find_first_not_of(kPlain) == std::string::npos;
}

std::string quoted(const std::string& word) {
  if (is_plain(word)) {
    return word;
  }
  std::string result = "'";
  for (const char letter : word) {
    result += letter == '\'' ? "'\\''" : std::string(1, letter);
  }
  return result + '\'';
}

std::string joined(const std::vector<std::string>& words, const char* between) {
  std::string result;
  for (const std::string& word : words) {
    result += (result.empty() ? "" : between) + quoted(word);
  }
  return result;
}

}  // namespace

std::vector<std::string> card(const Request& request) {
  std::vector<std::string> lines = {"scope    " + request.scope,
                                    "asks     " + request.chain + " (box " + request.box + ")"};
  const auto add = [&](const char* name, const std::string& text) {
    if (!text.empty()) {
      lines.push_back(name + text);
    }
  };
  add("command  ", joined(request.command, " "));
  add(request.is_for_secret() ? "wants    " : "secrets  ", joined(request.secrets, ", "));
  add("hosts    ", joined(request.hosts, ", "));
  add("says     ", request.reason);
  add("rule     ", request.rule);
  if (!request.session_key.empty()) {
    lines.push_back("a yes    holds for the rest of the session");
  }
  return lines;
}

json to_json(const Pending& pending) {
  using std::chrono::duration_cast;
  using std::chrono::seconds;
  const Request& request = pending.request;
  return {{"id", pending.id},
          {"since", duration_cast<seconds>(pending.since.time_since_epoch()).count()},
          {"seconds_left", std::max<seconds::rep>(
                               0, duration_cast<seconds>(pending.deadline - Clock::now()).count())},
          {"box", request.box},
          {"chain", request.chain},
          {"scope", request.scope},
          {"reason", request.reason},
          {"rule", request.rule},
          {"command", request.command},
          {"secrets", request.secrets},
          {"hosts", request.hosts},
          {"for_session", !request.session_key.empty()}};
}

Request request_from(const json& message) {
  Request request;
  request.box = message.at("box");
  request.chain = message.at("chain");
  request.scope = message.at("scope");
  request.reason = message.at("reason");
  request.rule = message.at("rule");
  request.command = message.at("command").get<std::vector<std::string>>();
  request.secrets = message.at("secrets").get<std::vector<std::string>>();
  request.hosts = message.at("hosts").get<std::vector<std::string>>();
  request.session_key = message.at("for_session").get<bool>() ? "session" : "";
  return request;
}

}  // namespace agentbox::approvals
