// The masks of a command's output, which grow while it runs.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "launcher/session/release.h"
#include "launcher/terminal/masker.h"

namespace agentbox::session {

// Thread-safe. Not moved: streams keep a reference to set().
class MaskKeeper {
 public:
  // Off: every value is let through, as the user asked.
  explicit MaskKeeper(bool on) : on_(on) { set_.compile(); }
  MaskKeeper(const MaskKeeper&) = delete;
  MaskKeeper& operator=(const MaskKeeper&) = delete;

  // Masked from the next byte on, so to be called before the command can know them. Gives the names
  // of those that are too short to be masked. Throws base::Error if memory cannot be locked.
  std::vector<std::string> learn(const std::vector<Released>& released);

  const terminal::MaskSet& set() const { return set_; }

 private:
  struct Known {
    std::string name;
    resolver::Secret value;
  };

  const bool on_;
  std::mutex mutex_;
  std::vector<Known> known_;  // in the order in which the set has them
  terminal::MaskSet set_;
};

}  // namespace agentbox::session
