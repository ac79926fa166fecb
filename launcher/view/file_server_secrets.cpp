// What a box may have of a file in which a secret is found. The bytes that are sent are those that
// were searched, whatever happens to the file meanwhile.
#include <string.h>

#include <algorithm>
#include <cerrno>
#include <memory>

#include "launcher/view/file_server.h"
#include "launcher/view/stars.h"

namespace agentbox::view {
namespace {

constexpr off_t kReach = static_cast<off_t>(Secrets::kReach);
constexpr off_t kBlock = static_cast<off_t>(Verdicts::kBlock);
constexpr std::size_t kWindow = 1 << 20;  // bytes that are looked at at once

// A file's bytes for a look at them, wiped afterwards.
class Window {
 public:
  Window() : bytes_(memory()) {}
  ~Window() { ::explicit_bzero(bytes_, used_); }
  Window(const Window&) = delete;
  Window& operator=(const Window&) = delete;

  std::string_view read(int fd, std::size_t size, off_t offset) {
    const std::size_t length = read_at(fd, bytes_, size, offset);
    used_ = std::max(used_, length);
    return {bytes_, length};
  }

 private:
  static char* memory() {
    thread_local const auto bytes = std::make_unique<char[]>(kWindow);
    return bytes.get();
  }
  char* bytes_;
  std::size_t used_ = 0;
};

}  // namespace

policy::ContentDecision FileServer::judge_contents(const Opened& file) const {
  // What the home lists is listed for what is in it.
  if (config_.secrets == nullptr || config_.files == nullptr || !file.inode.regular()) {
    return {.detect = policy::Detect::kOff};
  }
  return config_.contents == nullptr ? policy::ContentDecision()
                                     : config_.contents->judge(rules_path(file));
}

std::string FileServer::rules_path(const Opened& file) const {
  return config_.prefix.empty() ? file.path : join(config_.prefix, file.path);
}

void FileServer::seal(const Opened& file, const NodePtr& node,
                      const policy::ContentDecision& decision, std::string_view what) {
  if (sealed_.seal(file.inode, file.path)) {
    stale_.add({Stale::Kind::kAttributes, 0, node->id, {}});
    indexes_.changed(file.path);
  }
  judge_.touched(decision.detect == policy::Detect::kDeny ? Touch::Kind::kFoundDenied
                                                          : Touch::Kind::kFoundRedacted,
                 file.path, decision.detect_rule, what);
}

std::size_t FileServer::read_judged(const Opened& file, const NodePtr& node,
                                    const policy::ContentDecision& decision, char* buffer,
                                    std::size_t size, off_t offset) {
  const int fd = file.fd.get();
  // Looked at after the file was opened and again after it was read.
  if (own_.own(file.inode)) {
    const std::size_t length = read_at(fd, buffer, size, offset);
    if (own_.own(inode_of(fd))) {
      return length;
    }
  }
  const Verdicts::State state(file.inode, config_.secrets->digest());
  if (decision.detect == policy::Detect::kDeny) {
    require_no_secret(file, node, decision, state);
  }
  off_t start = offset;
  off_t end = offset + static_cast<off_t>(size);
  const bool settled = state.settled();
  if (settled) {
    if (verdicts_.clean(state, offset, size)) {
      const std::size_t length = read_at(fd, buffer, size, offset);
      if (Verdicts::State(inode_of(fd), state.digest) == state) {
        return length;
      }
    }
    start -= start % kBlock;
    end += (kBlock - end % kBlock) % kBlock;
  }
  const off_t from = std::max(start - kReach, off_t{0});
  char* const text = buffer - (offset - from);
  const std::size_t have = read_at(fd, text, static_cast<std::size_t>(end + kReach - from), from);
  const auto before = static_cast<std::size_t>(offset - from);
  if (have <= before) {  // past the end: nothing is sent of what was read before it
    ::explicit_bzero(text, have);
    return 0;
  }
  const std::size_t length = std::min(size, have - before);
  if (take_out_secrets(file, node, decision, {text, have}, buffer, length) && settled &&
      Verdicts::State(inode_of(fd), state.digest) == state) {
    verdicts_.note_clean(state, start, static_cast<std::size_t>(end - start));
  }
  return length;
}

bool FileServer::take_out_secrets(const Opened& file, const NodePtr& node,
                                  const policy::ContentDecision& decision, std::span<char> text,
                                  char* sent, std::size_t length) {
  thread_local std::vector<Secrets::Finding> findings;
  findings.clear();
  config_.secrets->find({text.data(), text.size()}, rules_path(file), findings);
  if (findings.empty()) {
    return true;
  }
  bool sealed = false;
  for (const Secrets::Finding& finding : findings) {
    char* const from = std::max(text.data() + finding.offset, sent);
    char* const to = std::min(text.data() + finding.offset + finding.length, sent + length);
    if (from >= to) {
      continue;
    }
    if (decision.detect == policy::Detect::kReport) {
      judge_.touched(Touch::Kind::kFoundReported, file.path, decision.detect_rule, finding.what);
      continue;
    }
    if (!sealed) {
      // Before the box can have the bytes, so that it never writes them over the real ones.
      sealed = true;
      seal(file, node, decision, finding.what);
      if (decision.detect == policy::Detect::kRedact) {
        refuse_object(file, Verdicts::State(file.inode, config_.secrets->digest()));
      }
    }
    put_stars({from, to});
  }
  ::explicit_bzero(text.data(), static_cast<std::size_t>(sent - text.data()));
  ::explicit_bzero(sent + length,
                   static_cast<std::size_t>(text.data() + text.size() - (sent + length)));
  if (sealed && decision.detect == policy::Detect::kDeny) {
    fail(EACCES);
  }
  return false;
}

bool FileServer::find_secret(const Opened& file, off_t from, off_t to,
                             std::string_view* what) const {
  std::vector<Secrets::Finding> findings;
  const std::string path = rules_path(file);
  Window window;
  off_t start = std::max(from - kReach, off_t{0});
  const off_t end = to + kReach;
  while (start < end) {
    const std::size_t size = std::min(kWindow, static_cast<std::size_t>(end - start));
    const std::string_view text = window.read(file.fd.get(), size, start);
    config_.secrets->find(text, path, findings);
    if (!findings.empty()) {
      *what = findings.front().what;
      return true;
    }
    if (text.size() < size || size < kWindow) {
      return false;
    }
    start += static_cast<off_t>(size - Secrets::kReach);
  }
  return false;
}

bool FileServer::withheld(const std::string& path) {
  const Location location = storage_.locate(path, Verdict());
  base::UniqueFd fd = open_below(location.base, location.path.c_str(), O_RDONLY | O_NONBLOCK);
  if (!fd) {
    return false;
  }
  const Inode inode = inode_of(fd.get());
  const Opened file{std::move(fd), inode, Verdict(), path};
  const policy::ContentDecision decision = judge_contents(file);
  if (decision.detect == policy::Detect::kOff || decision.detect == policy::Detect::kReport ||
      own_.own(inode)) {
    return false;
  }
  const Verdicts::State state(inode, config_.secrets->digest());
  if (verdicts_.holds_nothing(state)) {
    return false;
  }
  std::string_view what;
  if (find_secret(file, 0, inode.stat.st_size, &what)) {
    return true;
  }
  verdicts_.note_holds_nothing(state);
  return false;
}

void FileServer::refuse_object(const Opened& file, const Verdicts::State& state) {
  if (state.size > static_cast<std::int64_t>(RefusedObjects::kMostBytes) || refused_->has(state)) {
    return;
  }
  std::string bytes(static_cast<std::size_t>(state.size), '\0');
  bytes.resize(read_at(file.fd.get(), bytes.data(), bytes.size(), 0));
  std::vector<Secrets::Finding> found;
  config_.secrets->find(bytes, rules_path(file), found);
  for (const Secrets::Finding& finding : found) {
    put_stars({bytes.data() + finding.offset, finding.length});
  }
  refused_->add(state, std::move(bytes));
}

void FileServer::require_no_secret(const Opened& file, const NodePtr& node,
                                   const policy::ContentDecision& decision,
                                   const Verdicts::State& state) {
  if (verdicts_.holds_nothing(state)) {
    return;
  }
  std::string_view what;
  // What grows meanwhile is searched when it is sent.
  if (find_secret(file, 0, file.inode.stat.st_size, &what)) {
    seal(file, node, decision, what);
    fail(EACCES);
  }
  verdicts_.note_holds_nothing(state);
}

void FileServer::require_no_secret_near(const Opened& file, const NodePtr& node, off_t from,
                                        off_t to) {
  const policy::ContentDecision decision = judge_contents(file);
  if (decision.detect == policy::Detect::kOff || decision.detect == policy::Detect::kReport ||
      file.inode.stat.st_size == 0 || own_.own(file.inode)) {
    return;
  }
  base::UniqueFd readable = reopen(file.fd.get(), O_RDONLY);
  checked(readable.get());
  const Opened seen{std::move(readable), file.inode, file.verdict, file.path};
  std::string_view what;
  if (find_secret(seen, from, std::min(to, file.inode.stat.st_size), &what)) {
    seal(file, node, decision, what);
    refuse_write(file.verdict, file.path);
  }
}

}  // namespace agentbox::view
