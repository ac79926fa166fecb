#include "audit/files.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "base/error.h"

namespace agentbox::audit {

namespace {
constexpr std::size_t kChunk = 256 << 10;
constexpr std::size_t kLongestLine = 1 << 20;
}  // namespace

std::string rolled_name(std::uint64_t number) {
  return "audit." + std::to_string(number) + ".jsonl";
}

std::uint64_t count_rolled(int directory) {
  std::uint64_t count = 0;
  struct stat status = {};
  while (::fstatat(directory, rolled_name(count + 1).c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    ++count;
  }
  return count;
}

Lock::Lock(int fd, int operation) : fd_(fd) {
  constexpr long kMillisecond = 1'000'000;
  constexpr long kPatience = 10'000 * kMillisecond;
  long waited = 0;
  for (long pause = kMillisecond / 20; ::flock(fd, operation | LOCK_NB) < 0;) {
    if (errno == EINTR) {
      continue;
    }
    if (errno != EWOULDBLOCK) {
      base::check(-1, "lock", "the audit log");
    }
    if (waited >= kPatience) {
      throw base::Error(base::Status::kFailed,
                        "another agentbox process has held the audit log's lock for ten seconds",
                        "find it with `lsof` or `fuser` on the log's directory; is it stopped?");
    }
    const timespec time = {0, pause};
    ::nanosleep(&time, nullptr);
    waited += pause;
    pause = std::min(pause * 2, 5 * kMillisecond);
  }
}

Lock::~Lock() { ::flock(fd_, LOCK_UN); }

bool LineReader::next(std::string_view& line) {
  for (;;) {
    const std::size_t newline = buffer_.find('\n', scanned_);
    if (newline != std::string::npos || buffer_.size() - start_ >= kLongestLine) {
      const std::size_t stop = std::min(newline, buffer_.size());
      line = std::string_view(buffer_).substr(start_, stop - start_);
      start_ = scanned_ = std::min(stop + 1, buffer_.size());
      return true;
    }
    buffer_.erase(0, start_);
    start_ = 0;
    scanned_ = buffer_.size();
    const auto left = static_cast<std::uint64_t>(std::max<off_t>(end_ - offset_, 0));
    const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(kChunk, left));
    buffer_.resize(scanned_ + wanted);
    ssize_t n = 0;
    do {
      n = ::pread(fd_, buffer_.data() + scanned_, wanted, offset_);
    } while (n < 0 && errno == EINTR);
    buffer_.resize(scanned_ + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    base::check(n, "read", "the audit log");
    if (n == 0) {
      return false;
    }
    offset_ += n;
  }
}

}  // namespace agentbox::audit
