// local://NAME: the embedded encrypted store.
#pragma once

#include <string>
#include <vector>

#include "resolver/local_store.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// The version of a value is the store's counter for its name. A store with a passphrase asks for it
// once, on the thread that calls Resolver::resolve().
class LocalBackend : public Backend {
 public:
  explicit LocalBackend(std::string directory, LocalStore::Prompt passphrase = nullptr)
      : store_(std::move(directory), std::move(passphrase)) {}

  std::string name() const override { return "local"; }
  bool waits() const override { return false; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  LocalStore store_;
};

}  // namespace agentbox::resolver
