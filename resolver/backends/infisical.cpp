#include "resolver/backends/infisical.h"

#include <algorithm>
#include <utility>

#include "base/encode.h"
#include "resolver/backends/http_failure.h"
#include "resolver/backends/json_reply.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kAddress = "INFISICAL_DOMAIN";
constexpr const char* kAuthority = "SSL_CERT_FILE";
constexpr const char* kForm = "the form is infisical://project-id/environment/[folder/…]NAME";

// One folder, for all the references that want something of it.
struct Folder {
  std::string project, environment, path;
  std::vector<std::size_t> wanted;  // places in the list of references
};

// A message may be a text, or a list of what is wrong with each field.
std::string message_of(const JsonReply& reply, std::string_view credential) {
  return server_words(reply.root()["message"].text(), {credential});
}

Failed explain(const JsonReply& reply, std::string_view credential) {
  const std::string words = message_of(reply, credential);
  const std::string message =
      "Infisical answered " + std::to_string(reply.status) + (words.empty() ? "" : ": " + words);
  switch (reply.status) {
    case 400:
    case 422:
      return {Failure::kInvalidReference, message, kForm};
    case 401:
      return {Failure::kAuthFailed, message,
              "look at INFISICAL_TOKEN, or at the machine identity's client ID and secret"};
    case 403:
      // A token that is over is 403 too, under another name.
      if (reply.root()["error"].text() == "TokenError") {
        return {Failure::kAuthFailed, message, "renew INFISICAL_TOKEN: `infisical login`"};
      }
      return {Failure::kPermissionDenied, message,
              "give the machine identity a role in this project that may read it"};
    case 404:
      return {Failure::kNotFound, message,
              "look at project ID (Project Settings), environment slug and folder; Infisical does "
              "not tell which"};
    case 429:
      return rate_limited(message, reply.retry_after());
    default:
      return {reply.status >= 500 ? Failure::kUnavailable : Failure::kInvalidResponse, message,
              "look at INFISICAL_DOMAIN, or at Infisical's status page"};
  }
}

// A server from before version 4 of the API knows no such route; a secret that is not there has
// another message.
bool knows_no_route(const JsonOutcome& outcome) {
  const auto* reply = std::get_if<JsonReply>(&outcome);
  return reply != nullptr && reply->status == 404 &&
         reply->root()["message"].text().starts_with("Route ");
}

HttpRequest post(const std::string& url, Secret body) {
  HttpRequest request;
  request.method = "POST";
  request.url = url;
  request.headers = {"Content-Type: application/json", "Accept: application/json"};
  request.body = std::move(body);
  return request;
}

Secret json_object(std::initializer_list<std::pair<std::string_view, std::string_view>> members) {
  SecretBuilder body;
  std::string_view before = "{";
  for (const auto& [name, value] : members) {
    body.append(before);
    append_json_string(body, name);
    body.append(":");
    append_json_string(body, value);
    before = ",";
  }
  body.append("}");
  return body.take();
}

// The token of our own login: of no use after the resolution.
class LoginLease : public Lease {
 public:
  LoginLease(std::shared_ptr<Http> http, std::string address, Secret token)
      : http_(std::move(http)), address_(std::move(address)), token_(std::move(token)) {}

  std::string name() const override { return "infisical login"; }
  std::string reference() const override { return {}; }
  std::chrono::seconds lifetime() const override { return std::chrono::seconds(0); }
  bool renewable() const override { return false; }
  bool needed() const override { return false; }
  std::optional<Failed> renew(Clock::time_point /*deadline*/) override { return std::nullopt; }
  std::optional<Failed> revoke(Clock::time_point deadline) override {
    const HttpRequest request = post(address_ + "/api/v1/auth/token/revoke",
                                     json_object({{"accessToken", token_.reveal()}}));
    const std::vector<JsonOutcome> outcomes =
        ask_json(*http_, {&request, 1}, deadline, kAddress, kAuthority);
    if (const auto* failed = std::get_if<Failed>(&outcomes.front())) {
      return *failed;
    }
    const auto& reply = std::get<JsonReply>(outcomes.front());
    return reply.status < 400 ? std::nullopt
                              : std::optional<Failed>(explain(reply, token_.reveal()));
  }

 private:
  std::shared_ptr<Http> http_;
  std::string address_;
  Secret token_;
};

// One call of resolve().
class Call {
 public:
  Call(Http& http, const std::string& address, std::string_view token, Clock::time_point deadline)
      : http_(http), address_(address), token_(token), deadline_(deadline) {}

  std::vector<Answer> resolve(const std::vector<Reference>& references) {
    std::vector<Answer> answers(references.size());
    const std::vector<Folder> folders = plan(references, answers);
    std::vector<HttpRequest> requests;
    for (const Folder& folder : folders) {
      requests.push_back(list(folder, 4));
    }
    std::vector<JsonOutcome> outcomes = ask(requests);
    if (std::any_of(outcomes.begin(), outcomes.end(), knows_no_route)) {
      requests.clear();
      for (const Folder& folder : folders) {
        requests.push_back(list(folder, 3));
      }
      outcomes = ask(requests);
    }
    for (std::size_t i = 0; i < folders.size(); ++i) {
      for (const std::size_t place : folders[i].wanted) {
        answers[place] = pick(outcomes[i], references[place].path.back());
      }
    }
    return answers;
  }

 private:
  static std::vector<Folder> plan(const std::vector<Reference>& references,
                                  std::vector<Answer>& answers) {
    std::vector<Folder> folders;
    for (std::size_t i = 0; i < references.size(); ++i) {
      const std::vector<std::string>& path = references[i].path;
      const bool empty = std::any_of(path.begin(), path.end(), [](const std::string& part) {
        return part.empty() || part == "." || part == "..";
      });
      if (path.size() < 3 || empty || !references[i].query.empty() ||
          !references[i].fragment.empty()) {
        answers[i] = Failed{Failure::kInvalidReference,
                            "not the name of a project, an environment and a secret", kForm};
        continue;
      }
      std::string inside;
      for (std::size_t part = 2; part + 1 < path.size(); ++part) {
        inside += "/" + path[part];
      }
      inside = inside.empty() ? "/" : inside;
      const auto same = std::find_if(folders.begin(), folders.end(), [&](const Folder& folder) {
        return folder.project == path[0] && folder.environment == path[1] && folder.path == inside;
      });
      Folder& folder = same == folders.end()
                           ? folders.emplace_back(Folder{path[0], path[1], inside, {}})
                           : *same;
      folder.wanted.push_back(i);
    }
    return folders;
  }

  HttpRequest list(const Folder& folder, int version) const {
    HttpRequest request;
    request.url = address_ +
                  (version == 4 ? "/api/v4/secrets?includeImports=true&projectId="
                                : "/api/v3/secrets/raw?include_imports=true&workspaceId=") +
                  percent_encode(folder.project) +
                  "&environment=" + percent_encode(folder.environment) +
                  "&secretPath=" + percent_encode(folder.path) +
                  "&expandSecretReferences=true&viewSecretValue=true";
    request.headers.push_back("Accept: application/json");
    request.secret_headers.push_back(secret_header("Authorization: Bearer ", token_));
    return request;
  }

  std::vector<JsonOutcome> ask(std::span<const HttpRequest> requests) {
    return ask_json(http_, requests, deadline_, kAddress, kAuthority);
  }

  // The folder's own secret of the name, else the one that is imported. Which of several imports
  // counts is the server's affair and not told, so that is no answer.
  Answer pick(const JsonOutcome& outcome, const std::string& name) const {
    const auto* reply = std::get_if<JsonReply>(&outcome);
    if (reply == nullptr) {
      return std::get<Failed>(outcome);
    }
    if (reply->status != 200) {
      return explain(*reply, token_);
    }
    const Document::Node root = reply->root();
    if (!root["secrets"].is_array()) {
      return Failed{Failure::kInvalidResponse, "Infisical's answer holds no secrets",
                    "look at INFISICAL_DOMAIN"};
    }
    std::vector<std::string> names;
    std::vector<Document::Node> found = find(root["secrets"], name, names);
    const Document::Node imports = root["imports"];
    const bool own = !found.empty();
    for (std::size_t i = 0; !own && i < imports.size(); ++i) {
      for (const Document::Node& secret : find(imports[i]["secrets"], name, names)) {
        found.push_back(secret);
      }
    }
    if (found.size() > 1) {
      return Failed{Failure::kAmbiguous,
                    "more than one secret here is called " + base::printable(name),
                    "name the folder that it is imported from"};
    }
    if (found.empty()) {
      return Failed{Failure::kNotFound, "the folder has no secret " + base::printable(name),
                    suggest(name, names)};
    }
    return value_of(found.front(), name);
  }

  // Shared ones alone: a personal override of one person is not what a name means to all.
  static std::vector<Document::Node> find(const Document::Node& list, const std::string& name,
                                          std::vector<std::string>& names) {
    std::vector<Document::Node> found;
    for (std::size_t i = 0; i < list.size(); ++i) {
      names.push_back(list[i]["secretKey"].text());
      if (names.back() == name && list[i]["type"].text() != "personal") {
        found.push_back(list[i]);
      }
    }
    return found;
  }

  static Answer value_of(const Document::Node& secret, const std::string& name) {
    // Who may see that a secret is there but not read it gets 200 and a text in its place.
    if (secret["secretValueHidden"].is_true()) {
      return Failed{Failure::kPermissionDenied,
                    "the value of " + base::printable(name) + " is hidden from this identity",
                    "give the machine identity a role that may read values"};
    }
    if (!secret["secretValue"].is_string()) {
      return Failed{Failure::kInvalidResponse, "Infisical's answer holds no value", ""};
    }
    return Value{std::move(*secret["secretValue"].secret()), secret["version"].text()};
  }

  Http& http_;
  const std::string& address_;
  std::string_view token_;
  Clock::time_point deadline_;
};

// A login's token, or why there is none.
std::variant<Secret, Failed> log_in(Http& http, const std::string& address, std::string_view id,
                                    std::string_view secret, Clock::time_point deadline) {
  HttpRequest request = post(address + "/api/v1/auth/universal-auth/login",
                             json_object({{"clientId", id}, {"clientSecret", secret}}));
  request.repeatable = false;  // a client secret may be good for a number of uses
  const std::vector<JsonOutcome> outcomes =
      ask_json(http, {&request, 1}, deadline, kAddress, kAuthority);
  if (const auto* failed = std::get_if<Failed>(&outcomes.front())) {
    return *failed;
  }
  const auto& reply = std::get<JsonReply>(outcomes.front());
  if (reply.status != 200) {
    return explain(reply, secret);
  }
  if (!reply.root()["accessToken"].is_string()) {
    return Failed{Failure::kInvalidResponse, "Infisical answered the login without a token",
                  "look at INFISICAL_DOMAIN"};
  }
  return std::move(*reply.root()["accessToken"].secret());
}

}  // namespace

InfisicalBackend::InfisicalBackend(const Environment& environment)
    : environment_(environment),
      address_(environment.get({"INFISICAL_DOMAIN", "INFISICAL_API_URL"})) {
  if (address_.empty()) {
    address_ = "https://app.infisical.com";
  }
  const auto cut = [this](std::string_view end) {
    if (address_.ends_with(end)) {
      address_.resize(address_.size() - end.size());
    }
  };
  cut("/");
  cut("/api");
}

std::vector<Answer> InfisicalBackend::resolve(const std::vector<Reference>& references,
                                              Clock::time_point deadline) {
  if (!http_) {
    http_ = std::make_shared<Http>(Http::Options(), environment_);
  }
  const std::string_view given = environment_.get("INFISICAL_TOKEN");
  if (!given.empty()) {
    return Call(*http_, address_, given, deadline).resolve(references);
  }
  const std::string_view id =
      environment_.get({"INFISICAL_UNIVERSAL_AUTH_CLIENT_ID", "INFISICAL_CLIENT_ID"});
  const std::string_view secret =
      environment_.get({"INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET", "INFISICAL_CLIENT_SECRET"});
  if (id.empty() || secret.empty()) {
    return same_answer({Failure::kAuthRequired, "there is no Infisical token",
                        "export INFISICAL_TOKEN, or INFISICAL_UNIVERSAL_AUTH_CLIENT_ID and "
                        "INFISICAL_UNIVERSAL_AUTH_CLIENT_SECRET of a machine identity"},
                       references.size());
  }
  std::variant<Secret, Failed> login = log_in(*http_, address_, id, secret, deadline);
  if (const auto* failed = std::get_if<Failed>(&login)) {
    return same_answer(*failed, references.size());
  }
  auto& token = std::get<Secret>(login);
  std::vector<Answer> answers =
      Call(*http_, address_, token.reveal(), deadline).resolve(references);
  leases_.push_back(std::make_unique<LoginLease>(http_, address_, std::move(token)));
  return answers;
}

std::vector<std::unique_ptr<Lease>> InfisicalBackend::take_leases() {
  return std::exchange(leases_, {});
}

}  // namespace agentbox::resolver
