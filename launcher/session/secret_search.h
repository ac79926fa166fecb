// What the views of one session look for in the contents of files: what looks like a secret
// (policy/detector.h), and the values that are known to be one (launcher/values).
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/session/release.h"
#include "launcher/values/known_values.h"
#include "launcher/view/secrets.h"
#include "policy/file_rules.h"

namespace agentbox::session {

// Thread-safe. Outlives the views that use it.
class SecretSearch final : public view::Secrets {
 public:
  struct Tree {
    std::string root;    // absolute, no symbolic link in it
    std::string prefix;  // put before the paths that the rules judge
  };
  struct Callbacks {
    std::function<void()> changed;  // more is looked for than before
    // The hidden files could not be read: nothing can be answered any more. From another thread.
    std::function<void(std::exception_ptr)> failed;
  };

  // Reads the values of the hidden files in the trees, and of those `elsewhere` (absolute paths),
  // in a thread of its own: find() and digest() wait for its end. Throws base::Error if memory
  // cannot be locked.
  SecretSearch(const policy::FileRules& files, std::vector<Tree> trees,
               std::vector<std::string> elsewhere, Callbacks callbacks);
  ~SecretSearch();

  // Whoever waits fails from now on.
  void stop();

  // What the box is given is looked for from now on.
  void know(const std::vector<Released>& released);
  // A hidden file of a tree was made or changed.
  void reread(const Tree& tree, const std::string& path);

  void find(std::string_view text, std::string_view path,
            std::vector<Finding>& findings) const override;
  std::uint64_t digest() const override;

 private:
  enum class State { kReading, kReady, kFailed };

  void read_all(const std::vector<Tree>& trees, const std::vector<std::string>& elsewhere);
  // Takes the values of a file, if the rules hide it for what is in it.
  void read_file(const base::UniqueFd& file, const policy::FileDecision& decision,
                 const std::string& path);
  void enter(State state);
  void wait() const;
  std::uint32_t source(std::string text);

  const policy::FileRules& files_;
  const Callbacks callbacks_;
  values::KnownValues known_;
  mutable std::mutex mutex_;
  std::deque<std::string> sources_;  // what the log calls them; none is ever moved
  mutable std::condition_variable read_;
  State state_ = State::kReading;  // changes under mutex_
  std::atomic<bool> ready_ = false;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace agentbox::session
