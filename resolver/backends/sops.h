// sops://file#path.to.key: files that SOPS encrypted to an age recipient.
#pragma once

#include <string>
#include <vector>

#include "resolver/environment.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// Decrypts in this process. A relative path is below `root`, through no symbolic link; sops:///… is
// absolute. The fragment is keys parted by ".", or after a leading "/" by "/"; a list's items are
// numbers from 0. The identities are those of SOPS_AGE_KEY, of the file SOPS_AGE_KEY_FILE and of
// sops/age/keys.txt in XDG_CONFIG_HOME or ~/.config. The version is the file's lastmodified.
class SopsBackend : public Backend {
 public:
  // Without a root relative paths are kInvalidReference.
  explicit SopsBackend(std::string root, Environment environment = Environment())
      : root_(std::move(root)), environment_(environment) {}

  std::string name() const override { return "sops"; }
  bool waits() const override { return false; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  std::string root_;
  Environment environment_;
};

}  // namespace agentbox::resolver
