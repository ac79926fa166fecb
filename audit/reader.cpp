#include "audit/reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/inotify.h>
#include <sys/stat.h>

#include <cerrno>

#include "audit/line.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::audit {

namespace {

using base::UniqueFd;

UniqueFd open_if_there(int directory, const std::string& name, int flags) {
  try {
    return base::open_at(directory, name, O_RDONLY | flags);
  } catch (const base::SystemError& error) {
    if (error.error() == ENOENT) {
      return UniqueFd();
    }
    throw;
  }
}

}  // namespace

std::string Entry::text(const char* key) const {
  const auto field = json.find(key);
  if (field == json.end() || !field->is_string()) {
    return {};
  }
  return decode_bytes(field->get_ref<const std::string&>());
}

Reader::Reader(const std::string& directory, Filter filter)
    : path_(directory),
      filter_(std::move(filter)),
      since_(filter_.since ? moment_text(*filter_.since) : std::string()),
      directory_(open_if_there(AT_FDCWD, directory, O_DIRECTORY)) {}

bool Reader::open_file() {
  if (!directory_) {
    directory_ = open_if_there(AT_FDCWD, path_, O_DIRECTORY);
    if (!directory_) {
      return false;
    }
  }
  // The rolled name first: between two looks the current file may get it, but never loses it.
  for (const std::string& name :
       {rolled_name(number_), std::string(kCurrentName), rolled_name(number_)}) {
    file_ = open_if_there(directory_.get(), name, O_NOFOLLOW | O_NONBLOCK);
    if (!file_) {
      continue;
    }
    struct stat status = {};
    base::check(::fstat(file_.get(), &status), "stat", name);
    if (!S_ISREG(status.st_mode)) {
      throw base::Error(base::Status::kFailed, path_ + '/' + name + " is not a plain file");
    }
    lines_.emplace(file_.get());
    return true;
  }
  return false;
}

// At the end of a file that has been rolled: goes on to the one after it.
bool Reader::open_following() {
  struct stat status = {};
  if (::fstatat(directory_.get(), rolled_name(number_).c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
    return false;
  }
  struct stat open = {};
  base::check(::fstat(file_.get(), &open), "stat", "the audit log");
  if (open.st_ino != status.st_ino || open.st_dev != status.st_dev) {
    return false;
  }
  ++number_;
  return open_file();
}

bool Reader::next(Entry& entry) {
  if (!file_ && !open_file()) {
    return false;
  }
  for (bool rolled = false;;) {
    std::string_view line;
    if (!lines_->next(line)) {
      // A file grows until it is rolled: only an end seen after that is its end.
      if (rolled) {
        rolled = false;
        if (!open_following()) {
          return false;
        }
        continue;
      }
      struct stat status = {};
      rolled = ::fstatat(directory_.get(), rolled_name(number_).c_str(), &status,
                         AT_SYMLINK_NOFOLLOW) == 0;
      if (!rolled) {
        return false;
      }
      continue;
    }
    entry.json = nlohmann::json::parse(line, nullptr, false);
    if (!entry.json.is_object()) {
      ++skipped_;
      continue;
    }
    if (accepts(entry)) {
      entry.line = line;
      return true;
    }
  }
}

bool Reader::accepts(const Entry& entry) const {
  if (!filter_.event.empty() && entry.text("event") != filter_.event) {
    return false;
  }
  if (!since_.empty() && entry.text("time") < since_) {
    return false;
  }
  if (!filter_.session.empty()) {
    const std::string session = entry.text("session");
    return session.starts_with(filter_.session) || session.ends_with(filter_.session);
  }
  return true;
}

bool Reader::wait(int stop) {
  if (!watch_) {
    watch_ = UniqueFd(static_cast<int>(
        base::check(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK), "inotify_init", path_)));
    base::check(
        ::inotify_add_watch(watch_.get(), path_.c_str(), IN_MODIFY | IN_CREATE | IN_MOVED_TO),
        "watch", path_);
    return true;
  }
  pollfd polled[2] = {{watch_.get(), POLLIN, 0}, {stop, POLLIN, 0}};
  while (::poll(polled, 2, -1) < 0) {
    if (errno != EINTR) {
      base::check(-1, "poll", path_);
    }
  }
  char events[4096];
  while (::read(watch_.get(), events, sizeof events) > 0) {
  }
  return polled[1].revents == 0;
}

std::string last_session(const std::string& directory) {
  const UniqueFd fd = open_if_there(AT_FDCWD, directory, O_DIRECTORY);
  if (!fd) {
    return {};
  }
  // Quotation marks inside a string are escaped: this text can only be the key.
  static constexpr std::string_view kKey = ",\"session\":\"";
  std::uint64_t number = count_rolled(fd.get());
  for (std::string name = kCurrentName;; name = rolled_name(number--)) {
    std::string session;
    if (const UniqueFd file = open_if_there(fd.get(), name, O_NOFOLLOW | O_NONBLOCK)) {
      LineReader lines(file.get());
      std::string_view line;
      while (lines.next(line)) {
        const std::size_t key = line.find(kKey);
        if (key != line.npos) {
          const std::size_t start = key + kKey.size();
          session = line.substr(start, line.find('"', start) - start);
        }
      }
    }
    if (!session.empty() || number == 0) {
      return session;
    }
  }
}

}  // namespace agentbox::audit
