#include "launcher/session/secret_search.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/file.h"
#include "launcher/session/paths.h"
#include "launcher/survey/walk.h"
#include "launcher/values/harvest.h"
#include "launcher/values/session_key.h"
#include "policy/detector.h"
#include "resolver/secret.h"

namespace agentbox::session {
namespace {

using policy::FileAction;

static_assert(view::Secrets::kReach >= policy::Detector::kReach);
static_assert(view::Secrets::kReach >= values::ValueSet::kReach);

// What is longer holds no list of credentials; its first part is read all the same.
constexpr std::size_t kMostOfAFile = 1 << 20;

resolver::Secret read_start(int file) {
  struct stat status = {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode) || status.st_size == 0) {
    return {};
  }
  resolver::Secret bytes(std::min(kMostOfAFile, static_cast<std::size_t>(status.st_size)));
  std::size_t length = 0;
  while (length < bytes.size()) {
    const ssize_t part = ::pread(file, bytes.bytes().data() + length, bytes.size() - length,
                                 static_cast<off_t>(length));
    if (part < 0 && errno == EINTR) {
      continue;
    }
    if (part <= 0) {
      break;
    }
    length += static_cast<std::size_t>(part);
  }
  bytes.shrink(length);
  return bytes;
}

bool holds_secrets(const policy::FileDecision& decision, std::string_view text) {
  switch (decision.action) {
    case FileAction::kShow:
      return false;
    case FileAction::kHide:
    case FileAction::kRedact:
      return true;
    case FileAction::kHideUnlessReferences:
      return !policy::holds_only_references(text);
    case FileAction::kHideIfCredential:
      return policy::holds_credential(text);
  }
  return true;
}

constexpr int kToRead = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;

}  // namespace

SecretSearch::SecretSearch(const policy::FileRules& files, std::vector<Tree> trees,
                           std::vector<std::string> elsewhere, Callbacks callbacks)
    : files_(files), callbacks_(std::move(callbacks)), known_(values::SessionKey().view()) {
  thread_ = std::thread([this, trees = std::move(trees), elsewhere = std::move(elsewhere)] {
    try {
      read_all(trees, elsewhere);
      enter(State::kReady);
    } catch (...) {
      enter(State::kFailed);
      callbacks_.failed(std::current_exception());
    }
  });
}

SecretSearch::~SecretSearch() {
  stop();
  thread_.join();
}

void SecretSearch::stop() {
  stop_ = true;
  enter(State::kFailed);
}

void SecretSearch::enter(State state) {
  const std::lock_guard lock(mutex_);
  if (state_ == State::kReading && !(stop_ && state == State::kReady)) {
    state_ = state;
    ready_ = state == State::kReady;
    read_.notify_all();
  }
}

void SecretSearch::wait() const {
  if (ready_) {
    return;
  }
  std::unique_lock lock(mutex_);
  read_.wait(lock, [this] { return state_ != State::kReading; });
  if (state_ == State::kFailed) {
    throw base::Error(base::Status::kFailed, "the hidden files could not be read");
  }
}

void SecretSearch::read_all(const std::vector<Tree>& trees,
                            const std::vector<std::string>& elsewhere) {
  policy::Detector::shipped();  // made ready here, not in the first read
  for (const std::string& path : elsewhere) {
    read_file(base::UniqueFd(::open(path.c_str(), kToRead)), {.action = FileAction::kHide}, path);
  }
  for (const Tree& tree : trees) {
    const base::UniqueFd root = base::open_at(AT_FDCWD, tree.root, O_PATH | O_DIRECTORY);
    survey::Options options;
    options.root = root.get();
    options.files = &files_;
    options.prefix = tree.prefix;
    options.stop = &stop_;
    survey::walk(options, [this](const survey::Entry& entry) {
      if (entry.type == DT_REG && entry.decision.action != FileAction::kShow) {
        read_file(
            base::UniqueFd(::openat(entry.directory, std::string(entry.name).c_str(), kToRead)),
            entry.decision, std::string(entry.path));
      }
      return true;
    });
  }
}

void SecretSearch::read_file(const base::UniqueFd& file, const policy::FileDecision& decision,
                             const std::string& path) {
  if (!file) {
    return;  // gone, or not the user's to read: so it is for the box
  }
  const resolver::Secret bytes = read_start(file.get());
  if (bytes.empty() || !holds_secrets(decision, bytes.reveal())) {
    return;
  }
  const std::uint32_t number = source("value of " + path);
  values::harvest(bytes.reveal(), path, [&](std::string_view value, std::string_view key) {
    known_.add(value, key, number);
  });
}

void SecretSearch::reread(const Tree& tree, const std::string& path) {
  wait();
  const std::uint64_t before = known_.generation();
  const std::string judged = tree.prefix.empty() ? path : join(tree.prefix, path);
  try {
    const base::UniqueFd root = base::open_at(AT_FDCWD, tree.root, O_PATH | O_DIRECTORY);
    read_file(base::open_beneath(root.get(), path, O_RDONLY | O_NONBLOCK | O_NOCTTY),
              files_.judge(judged, false), path);
  } catch (const base::SystemError&) {
    return;  // removed
  }
  if (known_.generation() != before) {
    callbacks_.changed();
  }
}

std::uint32_t SecretSearch::source(std::string text) {
  const std::lock_guard lock(mutex_);
  sources_.push_back(std::move(text));
  return static_cast<std::uint32_t>(sources_.size() - 1);
}

void SecretSearch::know(const std::vector<Released>& released) {
  const std::uint64_t before = known_.generation();
  for (const Released& one : released) {
    if (one.sensitive) {
      known_.add(one.value.reveal(), one.key(), source("secret " + one.name));
    }
  }
  if (known_.generation() != before) {
    callbacks_.changed();
  }
}

void SecretSearch::find(std::string_view text, std::string_view path,
                        std::vector<Finding>& findings) const {
  wait();
  thread_local std::vector<policy::Finding> kinds;
  kinds.clear();
  policy::Detector::shipped().find(text, path, kinds);
  for (const policy::Finding& finding : kinds) {
    findings.push_back({finding.offset, finding.length, finding.kind->id});
  }
  thread_local std::vector<values::Match> matches;
  matches.clear();
  known_.snapshot()->find(text, matches);
  if (matches.empty()) {
    return;
  }
  const std::lock_guard lock(mutex_);
  for (const values::Match& match : matches) {
    findings.push_back({match.offset, match.length, sources_.at(match.source)});
  }
}

std::uint64_t SecretSearch::digest() const {
  wait();
  // Two numbers that are as good as random each.
  return policy::Detector::shipped().version() * 0x9E3779B97F4A7C15u ^ known_.snapshot()->digest();
}

}  // namespace agentbox::session
