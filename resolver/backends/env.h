// env://NAME: a variable of the environment that agentbox was started with.
#pragma once

#include <unistd.h>

#include <string>
#include <vector>

#include "resolver/resolver.h"

namespace agentbox::resolver {

class EnvBackend : public Backend {
 public:
  // "NAME=value" strings up to a null pointer; the caller keeps them unchanged. The process's own
  // by default: nothing in agentbox calls setenv(3).
  explicit EnvBackend(const char* const* environment = environ) : environment_(environment) {}

  std::string name() const override { return "env"; }
  bool waits() const override { return false; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  const char* const* environment_;
};

}  // namespace agentbox::resolver
