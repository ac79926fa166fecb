#include "audit/log.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <mutex>
#include <string_view>

#include "audit/files.h"
#include "audit/head.h"
#include "audit/id.h"
#include "audit/line.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "base/unique_fd.h"

namespace agentbox::audit {

namespace {

using base::check;
using base::Error;
using base::Status;
using base::UniqueFd;

// A write beyond RLIMIT_FSIZE is to fail with EFBIG, not to kill the supervisor: blocks SIGXFSZ for
// this thread, and takes away the one that the write has left pending.
class FileSizeSignalBlocked {
 public:
  FileSizeSignalBlocked() {
    ::sigemptyset(&signal_);
    ::sigaddset(&signal_, SIGXFSZ);
    ::pthread_sigmask(SIG_BLOCK, &signal_, &before_);
  }
  ~FileSizeSignalBlocked() {
    if (::sigismember(&before_, SIGXFSZ) == 0) {
      const timespec now = {0, 0};
      ::sigtimedwait(&signal_, nullptr, &now);
    }
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  FileSizeSignalBlocked(const FileSizeSignalBlocked&) = delete;
  FileSizeSignalBlocked& operator=(const FileSizeSignalBlocked&) = delete;

 private:
  sigset_t signal_;
  sigset_t before_;
};

struct stat stat_of(int fd, std::string_view name) {
  struct stat status = {};
  check(::fstat(fd, &status), "stat", name);
  return status;
}

// Whether directory/name is (still) the file behind `fd`.
bool names_file(int directory, const char* name, int fd) {
  struct stat named = {};
  if (::fstatat(directory, name, &named, AT_SYMLINK_NOFOLLOW) < 0) {
    return false;
  }
  const struct stat open = stat_of(fd, name);
  return named.st_ino == open.st_ino && named.st_dev == open.st_dev;
}

// A file of somebody else, a second name of a file, or a pipe is no log.
void require_own_file(int fd, const std::string& path) {
  const struct stat status = stat_of(fd, path);
  if (!S_ISREG(status.st_mode) || status.st_uid != ::geteuid() || status.st_nlink > 1) {
    throw Error(Status::kFailed, path + " is not a plain file of this user's with one name");
  }
  if ((status.st_mode & 077) != 0) {
    check(::fchmod(fd, 0600), "change mode", path);
  }
}

constexpr std::string_view kLineEnd = "\"}\n";

// The hash at the end of the line that ends at `end`; "" if no line does.
std::string hash_before(int fd, std::uint64_t end) {
  std::string tail(kNoHash.size() + kLineEnd.size(), '\0');
  if (end < tail.size()) {
    return {};
  }
  const ssize_t n = ::pread(fd, tail.data(), tail.size(), static_cast<off_t>(end - tail.size()));
  check(n, "read", "the audit log");
  if (static_cast<std::size_t>(n) < tail.size() || !tail.ends_with(kLineEnd)) {
    return {};
  }
  return tail.substr(0, kNoHash.size());
}

}  // namespace

struct Log::State {
  std::string path;
  UniqueFd directory;
  UniqueFd head_file;  // also the lock
  UniqueFd log_file;
  std::mutex mutex;
  Head head;                   // as head_bytes say
  std::string head_bytes;      // as last read or written
  std::uint64_t own_seq = 0;   // last record of this process …
  std::uint64_t own_size = 0;  // … and the file's size with it
  bool failed = false;         // a sync failed: nothing can be promised any more

  explicit State(const std::string& directory_path);
  void append(const Record& record);
  void sync();

 private:
  std::string file_path(const char* name) const { return path + '/' + name; }
  [[noreturn]] void refuse(const std::string& what) const;
  // The machine restarted since the head was written, and records may have been lost with it.
  bool restarted() const { return head.boot != boot_id() && head.seq != head.synced; }
  void initialise();
  void load();
  void open_log();
  Head synced_point() const;
  void recover(std::uint64_t size);
  void finish_roll();
  void roll();
  void sync_head();
  void write_line(const Record& record);
  void write_head(const Head& next);
};

Log::State::State(const std::string& directory_path)
    : path(directory_path), directory(base::open_private_directory(directory_path)) {
  if ((stat_of(directory.get(), path).st_mode & 077) != 0) {
    check(::fchmod(directory.get(), 0700), "change mode", path);
  }
  head_file = base::open_at(directory.get(), kHeadName, O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  require_own_file(head_file.get(), file_path(kHeadName));
  const Lock lock(head_file.get(), LOCK_EX);
  if (stat_of(head_file.get(), kHeadName).st_size == 0) {
    initialise();
  }
  load();
}

void Log::State::refuse(const std::string& what) const {
  throw Error(Status::kFailed, "the audit log in " + path + " cannot be trusted: " + what,
              "`agentbox log verify` shows the place; to begin a new chain, move the directory "
              "away: mv '" +
                  path + "' '" + path + ".kept'");
}

// An empty head is only left by a crash before the first record.
void Log::State::initialise() {
  log_file =
      base::open_at(directory.get(), kCurrentName, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
  if (stat_of(log_file.get(), kCurrentName).st_size != 0 || count_rolled(directory.get()) != 0) {
    refuse("its head is missing");
  }
  const FileSizeSignalBlocked blocked;
  write_head({.roll = 0,
              .seq = 0,
              .hash = kNoHash,
              .size = 0,
              .synced = 0,
              .synced_size = 0,
              .boot = boot_id()});
  // Later a missing head means that somebody removed it; so it must not get lost in a crash.
  check(::fsync(head_file.get()), "fsync", kHeadName);
  check(::fsync(directory.get()), "fsync", path);
}

// Brings `head` and `log_file` up to date with what other processes did. Needs the lock.
void Log::State::load() {
  if (!names_file(directory.get(), kHeadName, head_file.get())) {
    throw Error(Status::kFailed, "the audit log in " + path + " was removed or replaced in use",
                "start a new session");
  }
  const std::string text = read_head_text(head_file.get());
  if (text != head_bytes) {
    const auto read = parse_head(text);
    if (!read) {
      refuse("its head is damaged");
    }
    head = *read;
    head_bytes = text;
  }
  finish_roll();
  if (!log_file || !names_file(directory.get(), kCurrentName, log_file.get())) {
    open_log();
  }
  const auto size = static_cast<std::uint64_t>(stat_of(log_file.get(), kCurrentName).st_size);
  if (size != head.size || restarted()) {
    recover(size);
  }
}

// The current file's last line must be the one that the head names.
void Log::State::open_log() {
  log_file.reset();
  try {
    log_file = base::open_at(directory.get(), kCurrentName, O_RDWR | O_APPEND | O_NOFOLLOW);
  } catch (const base::SystemError& error) {
    if (error.error() == ENOENT) {
      refuse(std::string(kCurrentName) + " is missing");
    }
    throw;
  }
  require_own_file(log_file.get(), file_path(kCurrentName));
  const auto size = static_cast<std::uint64_t>(stat_of(log_file.get(), kCurrentName).st_size);
  const bool complete = head.size != 0 && size >= head.size && !restarted();
  if (complete && hash_before(log_file.get(), head.size) != head.hash) {
    refuse("its last record is not the one that its head names");
  }
}

// The last record that was durable before the machine restarted.
Head Log::State::synced_point() const {
  Head point = head;
  point.seq = head.synced;
  point.size = head.synced_size;
  if (head.synced_size != 0) {
    point.hash = hash_before(log_file.get(), head.synced_size);
  } else if (head.roll != 0) {
    const UniqueFd rolled = base::open_at(directory.get(), rolled_name(head.roll), O_RDONLY);
    point.hash =
        hash_before(rolled.get(), static_cast<std::uint64_t>(stat_of(rolled.get(), path).st_size));
  } else {
    point.hash = kNoHash;
  }
  return point;
}

// Mends what a crash can have left (head.h) and says so in the log; refuses anything else.
void Log::State::recover(std::uint64_t size) {
  const bool machine = head.boot != boot_id();
  Head found = machine ? synced_point() : head;
  if (size < found.size) {
    refuse("its end was cut off");
  }
  LineReader reader(log_file.get(), static_cast<off_t>(found.size));
  std::string_view line;
  std::uint64_t ahead = 0;
  while (reader.next(line)) {
    const auto link = parse_link(line);
    if (!link || link->computed != link->hash || link->prev != found.hash ||
        link->seq != found.seq + 1) {
      // Zeros are what a file system leaves of pages that it lost; text is somebody's.
      if (machine && line.find('\0') != line.npos) {
        break;
      }
      refuse("there is a line behind record " + std::to_string(found.seq) +
             " that does not continue it");
    }
    found.seq = link->seq;
    found.hash = link->hash;
    found.size += line.size() + 1;
    ahead += found.seq > head.seq ? 1 : 0;
    if (found.seq == head.seq && found.hash != head.hash) {
      refuse("record " + std::to_string(head.seq) + " is not the one that its head names");
    }
  }
  if (ahead > 1 && !machine) {
    refuse("records were added that its head does not know");
  }
  std::string what;
  if (found.seq < head.seq) {
    what = "records " + std::to_string(found.seq + 1) + " to " + std::to_string(head.seq) +
           " were lost unsynced when the machine went down";
  } else if (ahead > 0) {
    what = "the head was " + std::to_string(ahead) + " behind";
  }
  if (found.size < size) {
    check(::ftruncate(log_file.get(), static_cast<off_t>(found.size)), "truncate", kCurrentName);
    what += (what.empty() ? "" : "; ") + std::string("an unfinished line of ") +
            std::to_string(size - found.size) + " bytes was removed";
  }
  if (machine) {
    // What is there after a restart was read from the disk.
    found.synced = found.seq;
    found.synced_size = found.size;
  }
  found.boot = boot_id();
  write_head(found);
  if (!what.empty()) {
    Record record;
    record.event = "recover";
    record.reason = what;
    record.outcome = "ok";
    write_line(record);
  }
}

// Completes a roll that a crash has interrupted between its steps. Needs the lock. The head keeps
// its boot id: the new file may hold lines that a crash of the machine has left ahead of the head.
void Log::State::finish_roll() {
  const std::string next = rolled_name(head.roll + 1);
  struct stat status = {};
  if (::fstatat(directory.get(), next.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
    return;
  }
  if (static_cast<std::uint64_t>(status.st_size) != head.size || head.size == 0) {
    refuse(next + " does not belong to it");
  }
  log_file =
      base::open_at(directory.get(), kCurrentName, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW, 0600);
  Head rolled = head;
  ++rolled.roll;
  rolled.size = 0;
  rolled.synced = rolled.seq;
  rolled.synced_size = 0;
  check(::fsync(directory.get()), "fsync", path);
  write_head(rolled);
}

// Both files are durable before the rename, so that finish_roll() can tell a crash from tampering.
void Log::State::roll() {
  if (::fdatasync(log_file.get()) < 0) {
    failed = true;
    check(-1, "sync", file_path(kCurrentName));
  }
  Head next = head;
  next.synced = head.seq;
  next.synced_size = head.size;
  write_head(next);
  sync_head();
  check(::renameat2(directory.get(), kCurrentName, directory.get(),
                    rolled_name(head.roll + 1).c_str(), RENAME_NOREPLACE),
        "rename", file_path(kCurrentName));
  finish_roll();
}

void Log::State::sync_head() {
  if (::fdatasync(head_file.get()) < 0) {
    failed = true;
    check(-1, "sync", file_path(kHeadName));
  }
}

void Log::State::write_head(const Head& next) {
  const std::string text = head_text(next);
  const ssize_t n = ::pwrite(head_file.get(), text.data(), text.size(), 0);
  if (n != static_cast<ssize_t>(text.size())) {
    throw base::SystemError("write", file_path(kHeadName), n < 0 ? errno : ENOSPC,
                            "nothing is released without its record: make room first");
  }
  head = next;
  head_bytes = text;
}

// One line with one write, then the head; all or nothing.
void Log::State::write_line(const Record& record) {
  const auto now =
      std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
  Head next = head;
  next.seq = head.seq + 1;
  next.boot = boot_id();
  const std::string line =
      make_line(record, {.id = new_id(), .seq = next.seq, .time = now, .prev = head.hash},
                next.hash) +
      '\n';
  next.size = head.size + line.size();
  const ssize_t n = ::write(log_file.get(), line.data(), line.size());
  const int error = n < 0 ? errno : ENOSPC;
  if (n == static_cast<ssize_t>(line.size())) {
    try {
      write_head(next);
      return;
    } catch (...) {
      // The line would be there without the caller having been told so.
      check(::ftruncate(log_file.get(), static_cast<off_t>(head.size)), "truncate", kCurrentName);
      throw;
    }
  }
  if (n > 0) {
    check(::ftruncate(log_file.get(), static_cast<off_t>(head.size)), "truncate", kCurrentName);
  }
  throw base::SystemError("write", file_path(kCurrentName), error,
                          "nothing is released without its record: make room first");
}

void Log::State::append(const Record& record) {
  if (failed) {
    throw Error(Status::kFailed, "the audit log in " + path + " has failed before");
  }
  const FileSizeSignalBlocked blocked;
  const Lock lock(head_file.get(), LOCK_EX);
  load();
  if (head.size >= kRollSize) {
    roll();
  }
  write_line(record);
  own_seq = head.seq;
  own_size = head.size;
}

void Log::State::sync() {
  if (failed) {
    throw Error(Status::kFailed, "the audit log in " + path + " has failed before");
  }
  if (own_seq == 0) {
    return;
  }
  // The lock is not held here: others go on meanwhile. A file that was rolled since was synced
  // then.
  if (::fdatasync(log_file.get()) < 0) {
    failed = true;
    check(-1, "sync", file_path(kCurrentName));
  }
  {
    const FileSizeSignalBlocked blocked;
    const Lock lock(head_file.get(), LOCK_EX);
    load();
    if (head.synced < own_seq) {
      Head next = head;
      next.synced = own_seq;
      next.synced_size = own_size;
      write_head(next);
    }
  }
  sync_head();
}

Log::Log(const std::string& directory) : state_(std::make_unique<State>(directory)) {}
Log::~Log() = default;

void Log::append(const Record& record) {
  const std::lock_guard lock(state_->mutex);
  state_->append(record);
}

void Log::sync() {
  const std::lock_guard lock(state_->mutex);
  state_->sync();
}

}  // namespace agentbox::audit
