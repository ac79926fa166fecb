#include "launcher/broker/requests.h"

#include <array>
#include <exception>
#include <string_view>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "launcher/broker/frame.h"

namespace agentbox::broker {

namespace {

using nlohmann::json;

// Refuses a request: a code for programs, a message for people.
struct Refusal {
  std::string_view code;
  std::string message;
};

// A request with all that belongs to it.
struct Call {
  const Context& context;
  std::uint64_t id;
  std::vector<base::UniqueFd> descriptors;
  Caller& caller;
};

// nullopt: the answer comes later.
using Method = std::optional<json> (*)(Call& call, const json& params);

void require_no_params(const json& params) {
  if (!params.empty()) {
    throw Refusal{"bad_params", "this method takes no parameters"};
  }
}

std::optional<json> status(Call& call, const json& params) {
  require_no_params(params);
  const Context& context = call.context;
  const auto up = std::chrono::steady_clock::now() - context.started;
  return json{{"session", context.session},
              {"box", context.box},
              {"scope", context.scope},
              {"tier", context.tier},
              {"uptime_ms", std::chrono::duration_cast<std::chrono::milliseconds>(up).count()}};
}

json place_of(const SecretPlace& secret) {
  json one = {{"name", secret.name}, {"delivery", secret.delivery}};
  if (!secret.env.empty()) {
    one["env"] = secret.env;
  }
  if (!secret.file.empty()) {
    one["file"] = secret.file;
  }
  return one;
}

std::optional<json> list_secrets(Call& call, const json& params) {
  require_no_params(params);
  json secrets = json::array();
  for (const SecretPlace& secret : call.context.secrets) {
    secrets.push_back(place_of(secret));
  }
  return json{{"secrets", std::move(secrets)}, {"on_request", call.context.on_request}};
}

std::optional<json> list_scopes(Call& call, const json& params) {
  require_no_params(params);
  json commands = json::array();
  for (const CommandPlace& command : call.context.commands) {
    json one = {{"name", command.name}, {"scope", command.scope}};
    if (command.arguments) {
      one["args"] = *command.arguments;
    }
    commands.push_back(std::move(one));
  }
  return json{{"scopes", call.context.scopes}, {"commands", std::move(commands)}};
}

std::optional<json> explain(Call& call, const json& params) {
  for (const char* kind : {"path", "host"}) {
    const auto subject = params.find(kind);
    if (params.size() != 1 || subject == params.end() || !subject->is_string()) {
      continue;
    }
    const auto decision = call.context.explain
                              ? call.context.explain(kind, subject->get<std::string>())
                              : std::nullopt;
    if (!decision) {
      throw Refusal{"denied", "there is no answer to that for this box"};
    }
    return json{{"decision", *decision}};
  }
  throw Refusal{"bad_params", "give exactly one string, \"path\" or \"host\""};
}

std::optional<json> spawn(Call& call, const json& params) {
  std::string problem;
  const auto request = read_spawn_request(params, problem);
  if (!request) {
    throw Refusal{"bad_params", problem};
  }
  Stdio stdio;
  if (call.descriptors.size() != (request->detach ? 0 : stdio.size())) {
    throw Refusal{"bad_params", "a child needs three pipes with its request, a detached one none"};
  }
  for (std::size_t i = 0; i < call.descriptors.size(); ++i) {
    if (!is_pipe(call.descriptors[i].get(), i == 0)) {
      throw Refusal{"bad_params", "a child's input and output must be pipes"};
    }
    stdio[i] = std::move(call.descriptors[i]);
  }
  call.descriptors.clear();
  if (!call.context.spawn) {
    throw Refusal{"denied", call.context.no_spawn};
  }
  if (!call.caller.may_spawn()) {
    throw Refusal{"limit", "this box has too many children"};
  }
  call.caller.spawn(call.id, *request, std::move(stdio));
  return std::nullopt;
}

std::uint64_t number_of(const json& params, const char* key, std::uint64_t most) {
  const auto found = params.find(key);
  if (found == params.end() || !found->is_number_unsigned() || found->get<std::uint64_t>() > most) {
    throw Refusal{"bad_params", std::string("\"") + key + "\" must be a whole number up to " +
                                    std::to_string(most)};
  }
  return *found;
}

json tell(Call& call, const json& params, const json& message) {
  if (params.size() != message.size() + 1) {
    throw Refusal{"bad_params", "there are parameters too many"};
  }
  if (!call.caller.tell(number_of(params, "child", UINT64_MAX), message)) {
    throw Refusal{"no_child", "this connection has no such child"};
  }
  return json::object();
}

std::optional<json> signal(Call& call, const json& params) {
  const std::uint64_t number = number_of(params, "number", 64);
  if (!may_be_sent(number)) {
    throw Refusal{"bad_params", "that signal is not passed on"};
  }
  return tell(call, params, {{"signal", number}});
}

std::optional<json> resize(Call& call, const json& params) {
  return tell(call, params,
              {{"rows", number_of(params, "rows", UINT16_MAX)},
               {"columns", number_of(params, "columns", UINT16_MAX)}});
}

std::optional<json> request_secret(Call& call, const json& params) {
  constexpr std::size_t kLongestReason = 1024;
  const auto name = params.find("name");
  const auto reason = params.find("reason");
  if (params.size() != 2 || name == params.end() || !name->is_string() || reason == params.end() ||
      !reason->is_string() || reason->get_ref<const std::string&>().size() > kLongestReason) {
    throw Refusal{"bad_params", "give \"name\" and \"reason\", a string of at most 1024 bytes"};
  }
  if (!call.context.request) {
    throw Refusal{"denied", "this box may not ask for secrets"};
  }
  try {
    const Requested answer =
        call.context.request(name->get<std::string>(), reason->get<std::string>());
    return answer.ready ? json{{"state", "ready"}, {"secret", place_of(answer.place)}}
                        : json{{"state", "pending"}};
  } catch (const base::Error& error) {
    throw Refusal{"denied", error.what()};
  }
}

struct Entry {
  std::string_view name;
  Method method;
};

constexpr std::array kMethods = {
    Entry{"explain", explain},
    Entry{"list_scopes", list_scopes},
    Entry{"list_secrets", list_secrets},
    Entry{"request_secret", request_secret},
    Entry{"resize", resize},
    Entry{"signal", signal},
    Entry{"spawn", spawn},
    Entry{"status", status},
};

std::optional<json> dispatch(Call& call, const Request& request) {
  std::vector<std::string> names;
  for (const Entry& entry : kMethods) {
    if (entry.name == request.method) {
      if (!call.descriptors.empty() && entry.method != spawn) {
        throw Refusal{"bad_request", "this method takes no descriptors"};
      }
      return entry.method(call, request.params);
    }
    names.emplace_back(entry.name);
  }
  const std::string near = base::nearest(request.method, names);
  throw Refusal{"unknown_method", "there is no method \"" +
                                      base::printable(request.method.substr(0, 64)) + "\"" +
                                      (near.empty() ? "" : "; did you mean \"" + near + "\"?")};
}

void note(const Context& context, const std::string& method, const char* outcome,
          const std::string& reason) {
  if (!context.record) {
    return;
  }
  audit::Record record;
  record.event = std::string_view(outcome) == "ok" ? "request" : "deny";
  record.subject = "broker:" + method.substr(0, 256);
  record.outcome = outcome;
  record.reason = reason;
  context.record(record);
}

json refuse(const Context& context, std::uint64_t id, const std::string& method,
            const Refusal& refusal) {
  note(context, method, "refused", std::string(refusal.code) + ": " + refusal.message);
  return error_message(id, refusal.code, refusal.message);
}

std::optional<json> answer_request(Call& call, const Request& request) {
  try {
    std::optional<json> result = dispatch(call, request);
    note(call.context, request.method, "ok", {});
    return result ? std::optional(result_message(request.id, std::move(*result))) : std::nullopt;
  } catch (const Refusal& refusal) {
    return refuse(call.context, request.id, request.method, refusal);
  }
}

}  // namespace

std::optional<json> answer(const Context& context, const std::string& message,
                           std::vector<base::UniqueFd> descriptors, Caller& caller) {
  std::uint64_t id = 0;
  try {
    std::string problem;
    const auto request = parse_request(message, id, problem);
    if (!request) {
      return refuse(context, id, {}, {"bad_request", problem});
    }
    Call call{context, id, std::move(descriptors), caller};
    return answer_request(call, *request);
  } catch (const std::exception&) {
    // What the session's callbacks throw may name things outside the box, so the box is not told; a
    // record that cannot be written ends the session by its own way.
    return error_message(id, "failed", "the supervisor could not answer");
  }
}

}  // namespace agentbox::broker
