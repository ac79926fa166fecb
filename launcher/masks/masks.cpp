#include "launcher/masks/masks.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/encode.h"
#include "base/file.h"

namespace agentbox::masks {

namespace {

using base::Error;
using base::Status;
using Outcome = box::Guard::Outcome;

constexpr char kAside[] = ".agentbox-aside";

const std::string& key_of(const std::string& path) { return path; }
template <typename Value>
const std::string& key_of(const std::pair<const std::string, Value>& entry) {
  return entry.first;
}

// Of a container that is ordered by absolute path: the path and what is below it.
template <typename Container>
void erase_below(Container& container, const std::string& path) {
  container.erase(path);
  const std::string below = path + '/';
  auto end = container.lower_bound(below);
  const auto first = end;
  while (end != container.end() && key_of(*end).starts_with(below)) {
    ++end;
  }
  container.erase(first, end);
}

}  // namespace

bool Masks::Link::is(const Mask& mask) const {
  return inode == mask.inode && changed.tv_sec == mask.changed.tv_sec &&
         changed.tv_nsec == mask.changed.tv_nsec;
}

Masks::Masks(Config config)
    : config_(std::move(config)),
      stop_(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC), "eventfd"))),
      contents_(config_.search),
      backlog_({.one =
                    [this](const Directory& directory, const std::string& name) {
                      search([&](Scan& scan) { scan.name(directory, name); }, true);
                    },
                .all =
                    [this](Backlog::All all) {
                      search(
                          [this](Scan& scan) {
                            for (std::size_t tree = 0; tree < config_.trees.size(); ++tree) {
                              scan.whole(tree, 1);
                            }
                          },
                          all == Backlog::All::kEvery);
                    },
                .failed = [this] { config_.failed(std::current_exception()); }}) {
  for (const std::string& path : config_.hidden_elsewhere) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) == 0) {
      hidden_.insert({status.st_dev, status.st_ino});
    }
  }
}

Masks::~Masks() { stop(); }

void Masks::stop() {
  contents_.stop();
  backlog_.stop();
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(stop_.get(), &one, sizeof one);
    thread_.join();
  }
}

std::string Masks::absolute(std::size_t tree, const std::string& path) const {
  const std::string& root = config_.trees[tree].root;
  return path.empty() ? root : root + (root.ends_with('/') ? "" : "/") + path;
}

Outcome Masks::put(const Mask& mask) {
  const std::string path = absolute(mask.tree, mask.path);
  const std::lock_guard lock(put_mutex_);
  const Outcome outcome = config_.cover(path, mask);
  if (outcome == Outcome::kCovered && told_.insert({path, !mask.found.empty()}).second) {
    config_.covered(path, mask);
  }
  return outcome;
}

bool Masks::below_protected(const std::string& path) const {
  for (std::size_t slash = path.rfind('/'); slash != 0 && slash != std::string::npos;
       slash = path.rfind('/', slash - 1)) {
    if (protected_.contains(path.substr(0, slash))) {
      return true;
    }
  }
  return false;
}

// Whatever comes there next is new.
void Masks::forget(const std::string& path) {
  erase_below(protected_, path);
  erase_below(links_, path);
}

bool Masks::shown(std::size_t tree, const std::string& path) const {
  const std::string& prefix = config_.trees[tree].prefix;
  const policy::FileDecision decision =
      config_.files->judge(prefix.empty() ? path : prefix + "/" + path, false);
  return decision.action == policy::FileAction::kShow && !decision.readonly;
}

void Masks::set_aside(const Mask& mask, const std::string& path) {
  Aside aside = {path, ""};
  const std::size_t slash = mask.path.rfind('/');
  const bool top = slash == std::string::npos;
  const std::string name = top ? mask.path : mask.path.substr(slash + 1);
  try {
    const base::UniqueFd directory =
        base::open_beneath(config_.trees[mask.tree].directory.get(),
                           top ? "." : mask.path.substr(0, slash), O_PATH | O_DIRECTORY);
    const std::string above = top ? "" : mask.path.substr(0, slash + 1);
    for (const std::string& inert : {name + kAside, std::string(kAside + 1)}) {
      for (int i = 0; i < 1000 && aside.now.empty(); ++i) {
        const std::string other = inert + (i == 0 ? "" : "-" + std::to_string(i));
        if (!shown(mask.tree, above + other)) {
          break;  // ".envrc.*" is protected too
        }
        if (::renameat2(directory.get(), name.c_str(), directory.get(), other.c_str(),
                        RENAME_NOREPLACE) == 0) {
          aside.now = absolute(mask.tree, above + other);
        } else if (errno != EEXIST) {
          break;
        }
      }
    }
  } catch (const base::SystemError&) {
    // A directory above it was renamed: that is told as well, and all in it is looked at again.
  }
  config_.set_aside(aside.path, aside.now);
  aside_.push_back(std::move(aside));
}

Error Masks::appeared() const {
  std::string names, moved;
  for (const Aside& aside : aside_) {
    names += (names.empty() ? "" : ", ") + base::printable(aside.path);
    if (!aside.now.empty()) {
      moved += (moved.empty() ? "" : ", ") + base::printable(aside.now);
    }
  }
  return Error(Status::kDenied,
               names +
                   " has appeared, of a kind that programs outside the box act upon; the session "
                   "was ended because the box may have made it" +
                   (moved.empty() ? "" : ". It was renamed to " + moved),
               "look at it before you remove it or rename it back. With the live view (agentbox "
               "doctor) a box cannot make such files");
}

void Masks::protect(const Mask& mask, bool running) {
  const std::string path = absolute(mask.tree, mask.path);
  if (below_protected(path)) {
    return;
  }
  if (mask.type == S_IFLNK) {
    const auto found = links_.find(path);
    if (!running) {
      links_[path] = {mask.inode, mask.changed};
    } else if (found == links_.end() || !found->second.is(mask)) {
      set_aside(mask, path);
    }
    return;
  }
  const Outcome outcome = put(mask);
  if (outcome == Outcome::kGone) {
    return;
  }
  // A file may have been saved outside. Not so a directory: a process that went into it before it
  // was covered would see what is in it without any mask.
  const bool known = mask.type != S_IFDIR && protected_.contains(path);
  if (outcome == Outcome::kCovered && running && !known) {
    set_aside(mask, path);
    return;
  }
  protected_.insert(path);
}

void Masks::apply(Scan& scan, bool running) {
  for (const Mask& mask : scan.masks()) {
    if (mask.cover == Cover::kReadOnly && !mask.own_content) {
      protect(mask, running);
    } else {
      put(mask);
    }
  }
  for (const Mask& mask : scan.linked()) {
    if (hidden_.contains(mask.inode)) {
      put(mask);
    }
  }
}

// The names were judged before, by whoever told of the change.
void Masks::search(const std::function<void(Scan&)>& walk, bool tell_hidden) {
  Scan scan(*config_.files, config_.trees, {.contents = &contents_, .tell_hidden = tell_hidden});
  walk(scan);
  put_found(scan);
}

void Masks::put_found(const Scan& scan) {
  for (const Mask& mask : scan.found()) {
    if (!mask.report) {
      put(mask);
      continue;
    }
    const std::string path = absolute(mask.tree, mask.path);
    const std::lock_guard lock(put_mutex_);
    if (told_.insert({path, true}).second) {
      config_.covered(path, mask);
    }
  }
}

void Masks::cover_all(std::atomic<std::size_t>& progress) { look(false, &progress); }

void Masks::look(bool running, std::atomic<std::size_t>* progress) {
  Scan scan(
      *config_.files, config_.trees,
      {.watches = &watches_, .contents = running ? nullptr : &contents_, .progress = progress});
  for (std::size_t tree = 0; tree < config_.trees.size(); ++tree) {
    scan.whole(tree, std::max(2U, std::thread::hardware_concurrency()));
  }
  if (!running) {  // later, a process could be in such a directory already, below the new mount
    scan.add_deciding();
  }
  hidden_.insert(scan.hidden().begin(), scan.hidden().end());
  apply(scan, running);
  for (const Mask& mask : scan.linked()) {
    linked_.insert(mask.inode);
  }
  put_found(scan);
}

void Masks::watch() {
  backlog_.start();
  thread_ = std::thread([this] {
    try {
      serve();
    } catch (...) {
      unsure_ = true;
      config_.failed(std::current_exception());
    }
  });
}

bool Masks::follow() {
  bool all = false;
  const Taken taken = watches_.take([&](const Change& change) {
    if (change.gone) {
      const Directory& directory = change.directory;
      forget(absolute(directory.tree, directory.path) + "/" + std::string(change.name));
      return;
    }
    Scan scan(*config_.files, config_.trees, {.watches = &watches_});
    scan.name(change.directory, change.name);
    for (const Inode& inode : scan.hidden()) {
      all |= hidden_.insert(inode).second;  // its other names are still shown
    }
    apply(scan, true);
    // A further name of a file in a hidden place, whose inode nobody has looked at yet.
    all |= std::any_of(scan.linked().begin(), scan.linked().end(),
                       [&](const Mask& mask) { return linked_.insert(mask.inode).second; });
    backlog_.add(change.directory, change.name);
  });
  if (taken == Taken::kLost) {
    backlog_.add_all(Backlog::All::kEvery);
  }
  if (taken == Taken::kLost || all) {
    look(true);
  }
  return taken != Taken::kNothing;
}

void Masks::serve() {
  pollfd events[] = {{watches_.descriptor(), POLLIN, 0},
                     {stop_.get(), POLLIN, 0},
                     {config_.guard, 0, 0}};  // POLLHUP
  for (;;) {
    if (::poll(events, std::size(events), -1) < 0 && errno != EINTR) {
      throw base::SystemError("wait for", "changes of files", errno);
    }
    if (events[1].revents != 0) {
      return;
    }
    if (events[2].revents != 0) {
      throw Error(Status::kFailed, "the guard that hides files from the box is dead",
                  "the kernel log may say why (dmesg): out of memory, or killed from outside");
    }
    follow();
    if (!aside_.empty()) {
      throw appeared();
    }
  }
}

void Masks::settle() {
  stop();
  while (follow()) {
  }
  if (unsure_) {
    look(true);
  }
  if (!aside_.empty()) {
    throw appeared();
  }
}

}  // namespace agentbox::masks
