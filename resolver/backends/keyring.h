// keyring://collection/item: the Secret Service (GNOME Keyring, KWallet, KeePassXC) over D-Bus.
#pragma once

#include <string>
#include <vector>

#include "resolver/environment.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// Speaks the Secret Service API 0.2 (freedesktop.org) to the session bus of
// DBUS_SESSION_BUS_ADDRESS or XDG_RUNTIME_DIR. A collection is named by its alias ("login",
// "default"), its label or the end of its object path; an item by its label, by "?attribute=value"
// pairs, or by both. The version is the time of the last change, seconds since 1970. Nothing is
// unlocked and nobody is asked: what is locked is kAuthRequired.
class KeyringBackend : public Backend {
 public:
  explicit KeyringBackend(Environment environment = Environment()) : environment_(environment) {}

  std::string name() const override { return "keyring"; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  Environment environment_;
};

}  // namespace agentbox::resolver
