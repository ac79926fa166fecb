// exec://program [argument…]: what a program of the user's own prints.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "resolver/backends/tool.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// No shell: the reference's words are the arguments. The program is an absolute path or a name in
// PATH; it may not lie in `avoid`. It gets no terminal, "/" as its directory, and of the
// environment PATH, HOME, USER, LOGNAME, XDG_CONFIG_HOME, XDG_RUNTIME_DIR, SSH_AUTH_SOCK and
// DBUS_SESSION_BUS_ADDRESS. The value is its output less one line break at the end, if it has one.
// Programs of a batch run side by side.
class ExecBackend : public Backend {
 public:
  explicit ExecBackend(ToolOptions options) : options_(std::move(options)) {}

  std::string name() const override { return "exec"; }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  ToolOptions options_;
};

}  // namespace agentbox::resolver
