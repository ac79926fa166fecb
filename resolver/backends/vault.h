// vault://mount/path[?version=N][&namespace=NS]#key: HashiCorp Vault and OpenBao, by their HTTP
// API.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "resolver/backends/vault_login.h"
#include "resolver/backends/vault_server.h"
#include "resolver/environment.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// Key/value engines of version 1 and 2, told apart by asking the server once a mount, and any other
// engine whose secrets are read with GET (database, aws, …). One read a path, all at once. What
// comes with a lease, and the login that this backend made for it, is handed over as Leases. The
// version of a value is that of a version 2 engine.
class VaultBackend : public Backend {
 public:
  explicit VaultBackend(const Environment& environment = {});

  std::string name() const override { return "vault"; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;
  std::vector<std::unique_ptr<Lease>> take_leases() override;

 private:
  struct Mount {
    std::string path;  // "secret/", from the namespace on
    bool kv = false;
    bool versioned = false;
  };
  struct Read;
  using Reads = std::vector<Read>;

  Reads plan(const std::vector<Reference>& references, std::vector<Answer>& answers) const;
  void find_mounts(Reads& reads, std::string_view token,
                   std::chrono::steady_clock::time_point deadline);
  void read_all(Reads& reads, std::string_view token,
                std::chrono::steady_clock::time_point deadline);
  void explain_failures(Reads& reads, std::string_view token,
                        std::chrono::steady_clock::time_point deadline);
  const Mount* mount_of(const Read& read) const;
  Answer pick(const Reference& reference, const Read& read) const;
  void explain_absence(const Read& read, const Mount& mount, std::string_view token,
                       std::chrono::steady_clock::time_point deadline, Failed& failed);
  void keep_leases(const std::vector<Reference>& references, const Reads& reads, VaultToken token);

  // Shared with the leases, which may outlive this.
  std::shared_ptr<VaultServer> server_;
  VaultLogin login_;
  std::map<std::string, Mount> mounts_;  // by namespace, NUL, path
  std::vector<std::unique_ptr<Lease>> leases_;
};

}  // namespace agentbox::resolver
