// What the views of one session look for in the contents of files: what looks like a secret
// (policy/detector.h), and the values that are known to be one (launcher/values).
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "launcher/session/grants.h"
#include "launcher/values/known_values.h"
#include "launcher/view/secrets.h"

namespace agentbox::session {

// Thread-safe. Outlives the views that use it.
class SecretSearch final : public view::Secrets {
 public:
  // `changed` is called, from any thread, when more is looked for than before. Throws base::Error
  // if memory cannot be locked.
  explicit SecretSearch(std::function<void()> changed);

  // What the box is given is looked for from now on.
  void know(const std::vector<Released>& released);

  void find(std::string_view text, std::string_view path,
            std::vector<Finding>& findings) const override;
  std::uint64_t digest() const override;

 private:
  std::uint32_t source(std::string text);

  const std::function<void()> changed_;
  values::KnownValues known_;
  mutable std::mutex mutex_;
  std::deque<std::string> sources_;  // what the log calls them; none is ever moved
};

}  // namespace agentbox::session
