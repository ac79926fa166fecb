// The user's recorded consent to one exact repository policy (DESIGN D6).
#pragma once

#include <string>

namespace agentbox::session {

// STATE/trust.json: project root → digest of the documents consented to. Concurrent agentbox
// processes take a lock on the directory. Throws base::Error; a damaged file trusts nothing.
class TrustStore {
 public:
  explicit TrustStore(std::string state_directory);

  bool trusted(const std::string& root, const std::string& digest) const;
  void record(const std::string& root, const std::string& digest);
  bool forget(const std::string& root);  // false if there was nothing

 private:
  std::string directory_;
};

}  // namespace agentbox::session
