#include "launcher/view/contents.h"

#include <string.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "policy/file_rules.h"

namespace agentbox::view {
namespace {

constexpr std::size_t kMostJudged = 64 * 1024;
constexpr std::size_t kMostRedacted = 16 * 1024 * 1024;
constexpr std::size_t kMostKnown = 10'000;

// The raw bytes of a file that may hold secrets, wiped at the end.
class Bytes {
 public:
  // Reads at most `most` bytes; whole() tells whether that was all.
  Bytes(int fd, std::size_t size, std::size_t most) : bytes_(std::min(size + 1, most + 1)) {
    while (length_ < bytes_.size()) {
      const ssize_t part = ::pread(fd, bytes_.data() + length_, bytes_.size() - length_,
                                   static_cast<off_t>(length_));
      if (part < 0 && errno == EINTR) {
        continue;
      }
      checked(part);
      if (part == 0) {
        whole_ = true;
        break;
      }
      length_ += static_cast<std::size_t>(part);
    }
  }
  ~Bytes() { ::explicit_bzero(bytes_.data(), bytes_.size()); }
  Bytes(const Bytes&) = delete;
  Bytes& operator=(const Bytes&) = delete;

  bool whole() const { return whole_; }
  std::string_view view() const { return {bytes_.data(), length_}; }

 private:
  std::vector<char> bytes_;
  std::size_t length_ = 0;
  bool whole_ = false;
};

bool is_hidden(Contents::Reason reason, std::string_view bytes) {
  return reason == Contents::Reason::kCredential ? policy::holds_credential(bytes)
                                                 : !policy::holds_only_references(bytes);
}

}  // namespace

Contents::State Contents::state_of(const Inode& inode) {
  return {nanoseconds(inode.stat.st_ctim), inode.stat.st_size};
}

bool Contents::hides(Reason reason, int fd, const Inode& inode) {
  {
    const std::lock_guard lock(mutex_);
    const auto found = known_.find(inode.identity);
    if (found != known_.end() && found->second.state == state_of(inode) &&
        found->second.reason == reason) {
      return found->second.hides;
    }
  }
  const Bytes bytes(fd, static_cast<std::size_t>(inode.stat.st_size), kMostJudged);
  const bool answer = !bytes.whole() || is_hidden(reason, bytes.view());
  const std::lock_guard lock(mutex_);
  if (known_.size() >= kMostKnown) {
    known_.clear();
  }
  known_[inode.identity] = {state_of(inode), reason, answer};
  return answer;
}

std::string Contents::checked_bytes(Reason reason, int fd, const Inode& inode) {
  const Bytes bytes(fd, static_cast<std::size_t>(inode.stat.st_size), kMostJudged);
  if (!bytes.whole() || is_hidden(reason, bytes.view())) {
    fail(EACCES);
  }
  return std::string(bytes.view());
}

std::shared_ptr<const std::string> Contents::redacted(int fd, const Inode& inode) {
  {
    const std::lock_guard lock(mutex_);
    if (last_redacted_ && last_identity_ == inode.identity && last_state_ == state_of(inode)) {
      return last_redacted_;
    }
  }
  const Bytes bytes(fd, static_cast<std::size_t>(inode.stat.st_size), kMostRedacted);
  if (!bytes.whole()) {
    fail(EACCES);
  }
  auto redacted = std::make_shared<const std::string>(policy::redact(bytes.view()));
  const std::lock_guard lock(mutex_);
  last_identity_ = inode.identity;
  last_state_ = state_of(inode);
  last_redacted_ = redacted;
  return redacted;
}

}  // namespace agentbox::view
