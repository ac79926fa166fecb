#include "resolver/writers/vault_writer.h"

#include <algorithm>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "resolver/backends/http_failure.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

// What a reference and a URL take as it is.
bool is_plain(std::string_view path) {
  const std::size_t slash = path.find('/');
  return slash != std::string_view::npos && slash != 0 && !path.ends_with('/') &&
         path.find("//") == std::string_view::npos &&
         ("/" + std::string(path) + "/").find("/./") == std::string::npos &&
         ("/" + std::string(path) + "/").find("/../") == std::string::npos &&
         std::all_of(path.begin(), path.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view("-_./").find(c) != std::string_view::npos;
         });
}

Failed not_vault() {
  return {Failure::kInvalidResponse, "Vault answered with something that is not JSON",
          "look at VAULT_ADDR: it must name a Vault or OpenBao server"};
}

}  // namespace

// One call of write().
class VaultWriter::Call {
 public:
  Call(VaultWriter& writer, const VaultToken& token, Clock::time_point deadline)
      : writer_(writer), token_(token.token.reveal()), deadline_(deadline) {}

  std::variant<Written, Failed> write(const std::vector<NewValue>& values) {
    if (auto failed = find_mount()) {
      return *std::move(failed);
    }
    if (auto failed = read()) {
      return *std::move(failed);
    }
    const Document::Node present =
        versioned_ ? before_.root()["data"]["data"] : before_.root()["data"];
    std::vector<const NewValue*> missing;
    for (const NewValue& value : values) {
      const Document::Node there = present[value.name];
      if (!there) {
        missing.push_back(&value);
      } else if (!there.is_string() || !equal(*there.secret(), *value.value)) {
        return Failed{
            Failure::kInvalidValue,
            writer_.path_ + " holds another value called " + value.name + "; nothing was written",
            "choose another place with --path"};
      }
    }
    if (missing.empty()) {
      return Written{.changed = false};
    }
    if (!versioned_ && present.size() != 0) {
      return Failed{Failure::kInvalidValue,
                    writer_.path_ +
                        " is there already, and an engine of version 1 cannot add to it "
                        "safely; nothing was written",
                    "choose another place with --path"};
    }
    return send(present, missing);
  }

 private:
  JsonOutcome ask(const HttpRequest& request) {
    return writer_.server_.ask_one(request, deadline_);
  }

  std::string data_path() const {
    std::string path = writer_.path_;
    if (versioned_) {
      path.insert(mount_.size(), "data/");
    }
    return percent_encode(path, "/");
  }

  std::optional<Failed> find_mount() {
    auto outcome = ask(writer_.server_.request(
        "GET", "sys/internal/ui/mounts/" + percent_encode(writer_.path_, "/"), "", token_));
    if (auto* failed = std::get_if<Failed>(&outcome)) {
      return std::move(*failed);
    }
    const auto& reply = std::get<JsonReply>(outcome);
    if (reply.status != 200) {
      return denied(reply);
    }
    const Document::Node data = reply.root()["data"];
    mount_ = data["path"].text();
    versioned_ = data["options"]["version"].text() == "2";
    if (data["type"].text() != "kv" || !(writer_.path_ + "/").starts_with(mount_)) {
      return Failed{Failure::kInvalidReference,
                    base::printable(mount_.empty() ? writer_.path_ : mount_) +
                        " is no key/value engine, so nothing can be stored there",
                    "name one: --path MOUNT/PATH; `vault secrets list` tells them"};
    }
    return std::nullopt;
  }

  // What is there, and the version that check-and-set goes by: 0 for nothing.
  std::optional<Failed> read() {
    auto outcome = ask(writer_.server_.request("GET", data_path(), "", token_));
    if (auto* failed = std::get_if<Failed>(&outcome)) {
      return std::move(*failed);
    }
    before_ = std::move(std::get<JsonReply>(outcome));
    if (before_.status != 200 && before_.status != 404) {
      return denied(before_);
    }
    if (before_.status == 200 && !before_.root()["data"].is_object()) {
      return not_vault();
    }
    // Of a version that was deleted, the answer is 404 and holds its number.
    version_ = before_.root()["data"]["metadata"]["version"].integer();
    if (before_.status == 200 && versioned_ && version_ == 0) {
      return not_vault();  // no version to check against
    }
    return std::nullopt;
  }

  std::variant<Written, Failed> send(const Document::Node& present,
                                     const std::vector<const NewValue*>& missing) {
    HttpRequest request = writer_.server_.request("POST", data_path(), "", token_);
    request.headers.push_back("Content-Type: application/json");
    request.repeatable = false;
    SecretBuilder body;
    if (versioned_) {
      body.append("{\"options\":{\"cas\":" + std::to_string(version_) + "},\"data\":");
    }
    append_data(body, present, missing);
    if (versioned_) {
      body.append("}");
    }
    request.body = body.take();
    auto outcome = ask(request);
    if (auto* failed = std::get_if<Failed>(&outcome)) {
      failed->message += "; it may have been written";
      return std::move(*failed);
    }
    const auto& reply = std::get<JsonReply>(outcome);
    if (reply.status >= 400) {
      Failed failed = denied(reply);
      if (reply.status == 400 && versioned_) {
        failed.hint = "if another wrote there meanwhile, run `agentbox import` again";
      }
      return failed;
    }
    return Written{.changed = true};
  }

  static void append_data(SecretBuilder& body, const Document::Node& present,
                          const std::vector<const NewValue*>& missing) {
    const char* separator = "{";
    for (const std::string& name : present.names()) {
      const bool added = std::any_of(missing.begin(), missing.end(),
                                     [&](const NewValue* value) { return value->name == name; });
      if (added) {
        continue;  // null there, which is as good as nothing
      }
      body.append(separator);
      append_json_string(body, name);
      body.append(":");
      const Document::Node node = present[name];
      if (!node) {
        body.append("null");
      } else if (node.is_string()) {
        append_json_string(body, node.secret()->reveal());
      } else {
        body.append(node.secret()->reveal());
      }
      separator = ",";
    }
    for (const NewValue* value : missing) {
      body.append(separator);
      append_json_string(body, value->name);
      body.append(":");
      append_json_string(body, value->value->reveal());
      separator = ",";
    }
    body.append("}");
  }

  Failed denied(const JsonReply& reply) const {
    Failed failed = writer_.server_.explain(reply, token_);
    if (reply.status == 403) {
      failed.hint = "the token's policy must allow read, create and update on " + writer_.path_ +
                    "; or the token has expired: `vault login`";
    }
    return failed;
  }

  VaultWriter& writer_;
  std::string_view token_;
  Clock::time_point deadline_;
  std::string mount_;
  bool versioned_ = false;
  JsonReply before_;
  long long version_ = 0;
};

VaultWriter::VaultWriter(const std::string& path, const Environment& environment)
    : path_(path), server_(environment), login_(server_, environment) {
  if (!is_plain(path_)) {
    throw base::Error(base::Status::kConfiguration,
                      base::printable(path_) + " is not a mount and a path below it",
                      "it is MOUNT/PATH of letters, digits, \"-\", \"_\", \".\" and \"/\": "
                      "--path secret/shop");
  }
}

std::string VaultWriter::reference(std::string_view name) const {
  return "vault://" + path_ + "#" + std::string(name);
}

std::variant<Written, Failed> VaultWriter::write(const std::vector<NewValue>& values,
                                                 Clock::time_point deadline) {
  if (const std::optional<Failed> failed = server_.unconfigured()) {
    return *failed;
  }
  auto login = login_.token(deadline);
  if (auto* failed = std::get_if<Failed>(&login)) {
    return std::move(*failed);
  }
  const VaultToken& token = std::get<VaultToken>(login);
  auto outcome = Call(*this, token, deadline).write(values);
  if (token.own) {
    HttpRequest revoke =
        server_.request("POST", "auth/token/revoke-self", "", token.token.reveal());
    // Its time ends the login too; what was written counts.
    static_cast<void>(server_.ask_one(revoke, deadline));
  }
  return outcome;
}

}  // namespace agentbox::resolver
