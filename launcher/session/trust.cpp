#include "launcher/session/trust.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"

namespace agentbox::session {

namespace {

constexpr char kFile[] = "trust.json";
constexpr std::size_t kLargest = 16 << 20;

nlohmann::json load(const std::string& directory) {
  const std::string path = directory + "/" + kFile;
  if (::access(path.c_str(), F_OK) != 0) {
    return nlohmann::json::object();
  }
  nlohmann::json document = nlohmann::json::parse(base::read_file(path, kLargest), nullptr, false);
  if (!document.is_object()) {
    throw base::Error(base::Status::kFailed, path + " is damaged, so nothing is trusted",
                      "remove the file and run `agentbox trust` again in your projects");
  }
  return document;
}

// Applies `change` to the document under a lock; `change` returns whether to write it back.
template <typename Change>
bool update(const std::string& path, const Change& change) {
  const base::UniqueFd directory = base::open_private_directory(path);
  base::check(::flock(directory.get(), LOCK_EX), "lock", path);
  nlohmann::json document = load(path);
  if (!change(document)) {
    return false;
  }
  base::replace_file(directory.get(), kFile, document.dump(2) + "\n", 0600);
  return true;
}

}  // namespace

TrustStore::TrustStore(std::string state_directory) : directory_(std::move(state_directory)) {}

bool TrustStore::trusted(const std::string& root, const std::string& digest) const {
  const nlohmann::json document = load(directory_);
  const auto entry = document.find(root);
  return entry != document.end() && entry->is_string() && *entry == digest;
}

void TrustStore::record(const std::string& root, const std::string& digest) {
  update(directory_, [&](nlohmann::json& document) {
    document[root] = digest;
    return true;
  });
}

bool TrustStore::forget(const std::string& root) {
  return update(directory_, [&](nlohmann::json& document) { return document.erase(root) > 0; });
}

}  // namespace agentbox::session
