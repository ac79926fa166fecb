// pass://name[#key]: password-store(1), or gopass where there is no pass.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "resolver/backends/tool.h"
#include "resolver/resolver.h"

namespace agentbox::resolver {

// One run of the program for each entry, however many of its lines are asked for. Without a
// fragment the value is the first line; "#3" is the third one; "#key" is what follows "key:" in a
// line below the first, less the blanks around it. Nothing else is trimmed. The program gets no
// terminal, so a key that is locked can be unlocked by a graphical pinentry or gpg-agent alone.
class PassBackend : public Backend {
 public:
  explicit PassBackend(ToolOptions options) : options_(std::move(options)) {}

  std::string name() const override { return "pass"; }
  std::string meanwhile() const override {
    return "gpg may be waiting for your passphrase: look for its window";
  }
  std::vector<Answer> resolve(const std::vector<Reference>& references,
                              std::chrono::steady_clock::time_point deadline) override;

 private:
  ToolOptions options_;
};

}  // namespace agentbox::resolver
