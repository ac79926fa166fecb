// What Vault gives for a time: dynamic secrets, and the login that asked for them.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "resolver/backends/vault_server.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// A secret that ends with its lease (sys/leases/renew, sys/leases/revoke).
class VaultSecretLease : public Lease {
 public:
  VaultSecretLease(std::shared_ptr<VaultServer> server, std::shared_ptr<const Secret> token,
                   std::string name_space, std::string reference, std::string id,
                   std::chrono::seconds lifetime, bool renewable);

  std::string name() const override { return "vault lease " + id_; }
  std::string reference() const override { return reference_; }
  std::chrono::seconds lifetime() const override { return lifetime_; }
  bool renewable() const override { return renewable_; }
  bool needed() const override { return true; }
  std::optional<Failed> renew(std::chrono::steady_clock::time_point deadline) override;
  std::optional<Failed> revoke(std::chrono::steady_clock::time_point deadline) override;

 private:
  JsonOutcome ask(const char* operation, std::chrono::steady_clock::time_point deadline);

  std::shared_ptr<VaultServer> server_;
  std::shared_ptr<const Secret> token_;
  std::string name_space_, reference_, id_;
  std::chrono::seconds lifetime_;
  bool renewable_;
};

// A token of our own login (auth/token/renew-self, revoke-self). It is needed only for the leases
// that were made with it: they end with their token.
class VaultLoginLease : public Lease {
 public:
  VaultLoginLease(std::shared_ptr<VaultServer> server, std::shared_ptr<const Secret> token,
                  std::chrono::seconds lifetime, bool renewable, bool needed);

  std::string name() const override { return "vault login"; }
  std::string reference() const override { return {}; }
  std::chrono::seconds lifetime() const override { return lifetime_; }
  bool renewable() const override { return renewable_; }
  bool needed() const override { return needed_; }
  std::optional<Failed> renew(std::chrono::steady_clock::time_point deadline) override;
  std::optional<Failed> revoke(std::chrono::steady_clock::time_point deadline) override;

 private:
  std::shared_ptr<VaultServer> server_;
  std::shared_ptr<const Secret> token_;
  std::chrono::seconds lifetime_;
  bool renewable_, needed_;
};

}  // namespace agentbox::resolver
