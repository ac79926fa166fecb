#include "resolver/backends/doppler.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/encode.h"
#include "resolver/backends/http_failure.h"
#include "resolver/backends/json_reply.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kAddress = "DOPPLER_API_HOST";
constexpr const char* kAuthority = "SSL_CERT_FILE";
constexpr const char* kForm = "the form is doppler://project/config/NAME";

// One config, for all the references that want something of it.
struct Config {
  std::string project, config;
  std::vector<std::size_t> wanted;  // places in the list of references
  std::string names;                // separated by commas
};

bool is_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

// Its "messages", in one line.
std::string messages_of(const JsonReply& reply, std::string_view token) {
  std::string words;
  const Document::Node messages = reply.root()["messages"];
  for (std::size_t i = 0; i < messages.size(); ++i) {
    words += (words.empty() ? "" : "; ") + messages[i].text();
  }
  return server_words(words, {token});
}

Failed explain(const JsonReply& reply, std::string_view token) {
  const std::string words = messages_of(reply, token);
  const std::string message =
      "Doppler answered " + std::to_string(reply.status) + (words.empty() ? "" : ": " + words);
  switch (reply.status) {
    case 400:
      return {Failure::kInvalidReference, message, kForm};
    case 401:
      return {
          Failure::kAuthFailed, message,
          "make a new service token (`doppler configs tokens create`) and export DOPPLER_TOKEN"};
    case 403:
      return {Failure::kPermissionDenied, message,
              "give the token's account access to this config; look at its allowed addresses"};
    case 404:
      return {Failure::kNotFound, message, "look with `doppler projects` and `doppler configs`"};
    case 429:
      return rate_limited(message, reply.retry_after());
    default:
      return {reply.status >= 500 ? Failure::kUnavailable : Failure::kInvalidResponse, message,
              "look at DOPPLER_API_HOST, or at Doppler's status page"};
  }
}

Answer pick(const JsonReply& reply, const std::string& name) {
  const Document::Node secret = reply.root()["secrets"][name];
  if (!secret.is_object()) {
    return Failed{Failure::kNotFound, "the config has no secret " + base::printable(name), ""};
  }
  if (!secret["computed"]) {
    return Failed{Failure::kPermissionDenied,
                  "the value of " + base::printable(name) + " is restricted, and not shown",
                  "change its visibility in Doppler, or use a service token"};
  }
  return Value{std::move(*secret["computed"].secret()), ""};
}

// One call of resolve().
class Call {
 public:
  Call(Http& http, std::string address, std::string_view token, Clock::time_point deadline)
      : http_(http), address_(std::move(address)), token_(token), deadline_(deadline) {
    while (address_.ends_with('/')) {
      address_.pop_back();
    }
  }

  std::vector<Answer> resolve(const std::vector<Reference>& references) {
    std::vector<Answer> answers(references.size());
    const std::vector<Config> configs = plan(references, answers);
    std::vector<HttpRequest> requests;
    for (const Config& config : configs) {
      requests.push_back(
          request(config, "/v3/configs/config/secrets",
                  "&include_dynamic_secrets=false&secrets=" + percent_encode(config.names)));
    }
    std::vector<JsonOutcome> outcomes = ask_json(http_, requests, deadline_, kAddress, kAuthority);
    for (std::size_t i = 0; i < configs.size(); ++i) {
      answer(configs[i], outcomes[i], references, answers);
    }
    return answers;
  }

 private:
  static std::vector<Config> plan(const std::vector<Reference>& references,
                                  std::vector<Answer>& answers) {
    std::vector<Config> configs;
    for (std::size_t i = 0; i < references.size(); ++i) {
      const std::vector<std::string>& path = references[i].path;
      if (path.size() != 3 || !std::all_of(path.begin(), path.end(), is_name) ||
          !references[i].query.empty() || !references[i].fragment.empty()) {
        answers[i] = Failed{Failure::kInvalidReference,
                            "not the name of a project, a config and a secret", kForm};
        continue;
      }
      const auto same = std::find_if(configs.begin(), configs.end(), [&](const Config& config) {
        return config.project == path[0] && config.config == path[1];
      });
      Config& config =
          same == configs.end() ? configs.emplace_back(Config{path[0], path[1], {}, {}}) : *same;
      config.wanted.push_back(i);
      config.names += (config.names.empty() ? "" : ",") + path[2];
    }
    return configs;
  }

  HttpRequest request(const Config& config, const std::string& path,
                      const std::string& query) const {
    HttpRequest request;
    request.url = address_ + path + "?project=" + percent_encode(config.project) +
                  "&config=" + percent_encode(config.config) + query;
    request.headers.push_back("Accept: application/json");
    request.secret_headers.push_back(secret_header("Authorization: Bearer ", token_));
    return request;
  }

  void answer(const Config& config, const JsonOutcome& outcome,
              const std::vector<Reference>& references, std::vector<Answer>& answers) {
    const auto* reply = std::get_if<JsonReply>(&outcome);
    Failed failed;
    if (reply == nullptr) {
      failed = std::get<Failed>(outcome);
    } else if (reply->status != 200) {
      failed = explain(*reply, token_);
    } else if (!reply->root()["secrets"].is_object()) {
      failed = {Failure::kInvalidResponse, "Doppler's answer holds no secrets",
                "look at DOPPLER_API_HOST"};
    } else {
      std::optional<std::vector<std::string>> names;
      for (const std::size_t place : config.wanted) {
        const std::string& name = references[place].path[2];
        answers[place] = pick(*reply, name);
        auto* absent = std::get_if<Failed>(&answers[place]);
        if (absent != nullptr && absent->failure == Failure::kNotFound) {
          names = names ? names : all_names(config);
          absent->hint = suggest(name, *names);
        }
      }
      return;
    }
    for (const std::size_t place : config.wanted) {
      answers[place] = failed;
    }
  }

  // For the hint alone: no names if they cannot be had.
  std::vector<std::string> all_names(const Config& config) {
    const HttpRequest list = request(config, "/v3/configs/config/secrets/names", "");
    const std::vector<JsonOutcome> outcomes =
        ask_json(http_, {&list, 1}, deadline_, kAddress, kAuthority);
    std::vector<std::string> names;
    if (const auto* reply = std::get_if<JsonReply>(&outcomes.front())) {
      const Document::Node list_of_names = reply->root()["names"];
      for (std::size_t i = 0; i < list_of_names.size(); ++i) {
        names.push_back(list_of_names[i].text());
      }
    }
    return names;
  }

  Http& http_;
  std::string address_;
  std::string_view token_;
  Clock::time_point deadline_;
};

}  // namespace

std::vector<Answer> DopplerBackend::resolve(const std::vector<Reference>& references,
                                            Clock::time_point deadline) {
  const std::string_view token = environment_.get("DOPPLER_TOKEN");
  if (token.empty()) {
    return same_answer({Failure::kAuthRequired, "there is no Doppler token",
                        "export DOPPLER_TOKEN: a service token, or "
                        "`doppler configure get token --plain`"},
                       references.size());
  }
  if (!http_) {
    http_ = std::make_unique<Http>(Http::Options(), environment_);
  }
  const std::string_view host = environment_.get(kAddress);
  return Call(*http_, std::string(host.empty() ? "https://api.doppler.com" : host), token, deadline)
      .resolve(references);
}

}  // namespace agentbox::resolver
