// Keys of one secret in a Vault or OpenBao key/value engine.
#pragma once

#include <memory>
#include <string>

#include "resolver/backends/vault_login.h"
#include "resolver/backends/vault_server.h"
#include "resolver/environment.h"
#include "resolver/writers/writer.h"

namespace agentbox::resolver {

// In an engine of version 2 keys are added to a secret that is there, which stays otherwise as it
// is: the new version is written with check-and-set ("cas", KV secrets engine version 2, HTTP API),
// so that nobody's change in between is lost. Version 1 has no such check, so there the secret is
// made, and one that is there is left alone.
class VaultWriter : public Writer {
 public:
  // `path` is MOUNT/PATH, without "data/". Throws base::Error (kConfiguration) if it is none.
  explicit VaultWriter(const std::string& path, const Environment& environment = {});

  std::string place() const override { return "vault " + path_; }
  std::string reference(std::string_view name) const override;
  std::variant<Written, Failed> write(const std::vector<NewValue>& values,
                                      std::chrono::steady_clock::time_point deadline) override;

 private:
  class Call;

  std::string path_;
  VaultServer server_;
  VaultLogin login_;
};

}  // namespace agentbox::resolver
