#include "resolver/backends/vault_lease.h"

#include <utility>

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

// The failure in an outcome, if there is one.
std::optional<Failed> failure_in(const VaultServer& server, JsonOutcome& outcome,
                                 std::string_view token) {
  if (auto* failed = std::get_if<Failed>(&outcome)) {
    return std::move(*failed);
  }
  const auto& reply = std::get<JsonReply>(outcome);
  if (reply.status >= 400) {
    return server.explain(reply, token);
  }
  return std::nullopt;
}

}  // namespace

VaultSecretLease::VaultSecretLease(std::shared_ptr<VaultServer> server,
                                   std::shared_ptr<const Secret> token, std::string name_space,
                                   std::string reference, std::string id,
                                   std::chrono::seconds lifetime, bool renewable)
    : server_(std::move(server)),
      token_(std::move(token)),
      name_space_(std::move(name_space)),
      reference_(std::move(reference)),
      id_(std::move(id)),
      lifetime_(lifetime),
      renewable_(renewable) {}

JsonOutcome VaultSecretLease::ask(const char* operation, Clock::time_point deadline) {
  HttpRequest request = server_->request("PUT", std::string("sys/leases/") + operation, name_space_,
                                         token_->reveal());
  SecretBuilder body;
  body.append("{\"lease_id\":");
  append_json_string(body, id_);
  body.append("}");
  request.body = body.take();
  return server_->ask_one(request, deadline);
}

std::optional<Failed> VaultSecretLease::renew(Clock::time_point deadline) {
  auto outcome = ask("renew", deadline);
  std::optional<Failed> failed = failure_in(*server_, outcome, token_->reveal());
  if (!failed) {
    if (const auto& document = std::get<JsonReply>(outcome).document) {
      lifetime_ = std::chrono::seconds(document->root()["lease_duration"].integer());
      renewable_ = document->root()["renewable"].is_true();
    }
  }
  return failed;
}

std::optional<Failed> VaultSecretLease::revoke(Clock::time_point deadline) {
  auto outcome = ask("revoke", deadline);
  return failure_in(*server_, outcome, token_->reveal());
}

VaultLoginLease::VaultLoginLease(std::shared_ptr<VaultServer> server,
                                 std::shared_ptr<const Secret> token, std::chrono::seconds lifetime,
                                 bool renewable, bool needed)
    : server_(std::move(server)),
      token_(std::move(token)),
      lifetime_(lifetime),
      renewable_(renewable),
      needed_(needed) {}

std::optional<Failed> VaultLoginLease::renew(Clock::time_point deadline) {
  auto outcome = server_->ask_one(
      server_->request("POST", "auth/token/renew-self", "", token_->reveal()), deadline);
  std::optional<Failed> failed = failure_in(*server_, outcome, token_->reveal());
  if (!failed) {
    if (const auto& document = std::get<JsonReply>(outcome).document) {
      const Document::Node auth = document->root()["auth"];
      lifetime_ = std::chrono::seconds(auth["lease_duration"].integer());
      renewable_ = auth["renewable"].is_true();
    }
  }
  return failed;
}

std::optional<Failed> VaultLoginLease::revoke(Clock::time_point deadline) {
  auto outcome = server_->ask_one(
      server_->request("POST", "auth/token/revoke-self", "", token_->reveal()), deadline);
  return failure_in(*server_, outcome, token_->reveal());
}

}  // namespace agentbox::resolver
