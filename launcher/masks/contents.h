// Looks into files that the rules show: one in which a secret stands is covered as a whole.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "policy/content_rules.h"

namespace agentbox::masks {

// How secrets are found; the masks know neither the detector nor the values.
struct Search {
  const policy::ContentRules* rules = nullptr;  // must outlive the masks
  std::size_t reach = 0;                        // bytes; no secret with its context is longer
  // What the text holds, for the log; "" for nothing. `path` in terms of the rules. Called by
  // several threads at once. May throw.
  std::function<std::string(std::string_view text, const std::string& path)> find;
  // A hidden file, by its path in the tree, was made or changed while the command runs.
  std::function<void(std::size_t tree, const std::string& path)> hidden_changed;
};

// Thread-safe.
class Contents {
 public:
  struct Finding {
    std::string what;
    const policy::Pattern* rule = nullptr;  // null: the default
    bool report = false;                    // for the log only
  };

  explicit Contents(Search search) : search_(std::move(search)) {}

  // Of an ordinary file, `name` in the open directory; `path` in terms of the rules. One that
  // cannot be read but could be made readable by the box counts as one that holds a secret. Throws
  // what Search::find throws.
  std::optional<Finding> look(int directory, const std::string& name,
                              const std::string& path) const;
  void hidden_changed(std::size_t tree, const std::string& path) const {
    search_.hidden_changed(tree, path);
  }
  // Whoever looks finds nothing from now on: the box is dead.
  void stop() { stop_ = true; }
  const std::atomic<bool>& stopped() const { return stop_; }

 private:
  std::string find(int file, const std::string& path) const;

  const Search search_;
  std::atomic<bool> stop_ = false;
};

}  // namespace agentbox::masks
