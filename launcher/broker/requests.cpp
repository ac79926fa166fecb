#include "launcher/broker/requests.h"

#include <array>
#include <exception>
#include <string_view>

#include "base/encode.h"
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

using Method = json (*)(const Context&, const json& params);

void require_no_params(const json& params) {
  if (!params.empty()) {
    throw Refusal{"bad_params", "this method takes no parameters"};
  }
}

json status(const Context& context, const json& params) {
  require_no_params(params);
  const auto up = std::chrono::steady_clock::now() - context.started;
  return {{"session", context.session},
          {"box", context.box},
          {"scope", context.scope},
          {"tier", context.tier},
          {"uptime_ms", std::chrono::duration_cast<std::chrono::milliseconds>(up).count()}};
}

json list_secrets(const Context& context, const json& params) {
  require_no_params(params);
  json secrets = json::array();
  for (const SecretPlace& secret : context.secrets) {
    json one = {{"name", secret.name}, {"delivery", secret.delivery}};
    if (!secret.env.empty()) {
      one["env"] = secret.env;
    }
    if (!secret.file.empty()) {
      one["file"] = secret.file;
    }
    secrets.push_back(std::move(one));
  }
  return {{"secrets", std::move(secrets)}};
}

json list_scopes(const Context& context, const json& params) {
  require_no_params(params);
  return {{"scopes", context.scopes}};
}

json explain(const Context& context, const json& params) {
  for (const char* kind : {"path", "host"}) {
    const auto subject = params.find(kind);
    if (params.size() != 1 || subject == params.end() || !subject->is_string()) {
      continue;
    }
    const auto decision =
        context.explain ? context.explain(kind, subject->get<std::string>()) : std::nullopt;
    if (!decision) {
      throw Refusal{"denied", "there is no answer to that for this box"};
    }
    return {{"decision", *decision}};
  }
  throw Refusal{"bad_params", "give exactly one string, \"path\" or \"host\""};
}

struct Entry {
  std::string_view name;
  Method method;
};

constexpr std::array kMethods = {
    Entry{"explain", explain},
    Entry{"list_scopes", list_scopes},
    Entry{"list_secrets", list_secrets},
    Entry{"status", status},
};

json dispatch(const Context& context, const Request& request) {
  std::vector<std::string> names;
  for (const Entry& entry : kMethods) {
    if (entry.name == request.method) {
      return entry.method(context, request.params);
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

json answer_request(const Context& context, const Request& request) {
  try {
    json result = dispatch(context, request);
    note(context, request.method, "ok", {});
    return result_message(request.id, std::move(result));
  } catch (const Refusal& refusal) {
    return refuse(context, request.id, request.method, refusal);
  }
}

}  // namespace

json answer(const Context& context, const std::string& message) {
  std::uint64_t id = 0;
  try {
    std::string problem;
    const auto request = parse_request(message, id, problem);
    return request ? answer_request(context, *request)
                   : refuse(context, id, {}, {"bad_request", problem});
  } catch (const std::exception&) {
    // What the session's callbacks throw may name things outside the box, so the box is not told; a
    // record that cannot be written ends the session by its own way.
    return error_message(id, "failed", "the supervisor could not answer");
  }
}

}  // namespace agentbox::broker
