// op://vault/item/[section/]field: 1Password, through its own program `op`.
#pragma once

#include <unistd.h>

#include <string>
#include <vector>

#include "resolver/process.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// One `op inject` for a batch; `op read -n` for a single reference, and for each one when a batch
// fails, to learn which. op gets no terminal, no descriptor of ours, the working directory "/", and
// of the environment only PATH, HOME, XDG_CONFIG_HOME, XDG_RUNTIME_DIR and its own credentials and
// settings; an OP_SESSION_… that has expired is tried without. Values have no version.
class OpBackend : public Backend {
 public:
  struct Options {
    const char* const* environment = environ;  // the caller keeps the strings unchanged
    // Directories whose programs are not trusted; the working directory if there is none.
    std::vector<std::string> avoid;
  };

  explicit OpBackend(Options options) : options_(std::move(options)) {}

  std::string name() const override { return "op"; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  Options options_;
};

}  // namespace agentbox::resolver
