// op://vault/item/[section/]field: 1Password, through its own program `op` or a Connect server.
#pragma once

#include <unistd.h>

#include <string>
#include <vector>

#include "resolver/backends/op_connect.h"
#include "resolver/process.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// Goes to the Connect server (op_connect.h) where OP_CONNECT_HOST and OP_CONNECT_TOKEN are set, as
// op itself would. Otherwise one `op inject` for a batch; `op read -n` for a single reference, and
// for each one when a batch fails, to learn which. op gets no terminal, no descriptor of ours, the
// working directory "/", and of the environment only PATH, HOME, XDG_CONFIG_HOME, XDG_RUNTIME_DIR
// and its own credentials and settings; an OP_SESSION_… that has expired is tried without. Values
// have no version.
class OpBackend : public Backend {
 public:
  struct Options {
    const char* const* environment = environ;  // the caller keeps the strings unchanged
    // Directories whose programs are not trusted; the working directory if there is none.
    std::vector<std::string> avoid;
  };

  explicit OpBackend(Options options)
      : options_(std::move(options)), connect_(options_.environment) {}

  std::string name() const override { return connect_.configured() ? connect_.name() : "op"; }
  std::string meanwhile() const override;
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  Options options_;
  OpConnectBackend connect_;
};

}  // namespace agentbox::resolver
