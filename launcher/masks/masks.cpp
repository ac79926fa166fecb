#include "launcher/masks/masks.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/encode.h"
#include "base/error.h"

namespace agentbox::masks {

namespace {

using base::Error;
using base::Status;
using Outcome = box::Guard::Outcome;

Error appeared(const std::string& path) {
  return Error(Status::kDenied,
               base::printable(path) +
                   " has appeared, a file of a kind that programs outside the box act upon; the "
                   "session was ended because the box may have made it",
               "look at it before you use it, or remove it. With the live view (agentbox doctor) a "
               "box cannot make such files");
}

}  // namespace

Masks::Masks(Config config)
    : config_(std::move(config)),
      stop_(static_cast<int>(base::check(::eventfd(0, EFD_CLOEXEC), "eventfd"))) {
  for (const std::string& path : config_.hidden_elsewhere) {
    struct stat status = {};
    if (::stat(path.c_str(), &status) == 0) {
      hidden_.insert({status.st_dev, status.st_ino});
    }
  }
}

Masks::~Masks() {
  if (thread_.joinable()) {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(stop_.get(), &one, sizeof one);
    thread_.join();
  }
}

std::string Masks::absolute(const Mask& mask) const {
  const std::string& root = config_.trees[mask.tree].root;
  return root + (root.ends_with('/') ? "" : "/") + mask.path;
}

Outcome Masks::put(const Mask& mask) {
  const std::string path = absolute(mask);
  const Outcome outcome = config_.cover(path, mask);
  if (outcome == Outcome::kCovered && told_.insert(path).second) {
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

void Masks::apply(Scan& scan, bool running) {
  for (const Mask& mask : scan.masks()) {
    if (mask.cover != Cover::kReadOnly) {
      put(mask);
      continue;
    }
    const std::string path = absolute(mask);
    if (below_protected(path)) {
      continue;
    }
    const bool known = protected_.contains(path);
    if (mask.link) {  // cannot be mounted on itself
      if (running) {
        throw appeared(path);
      }
      continue;
    }
    const Outcome outcome = put(mask);
    if (outcome == Outcome::kGone) {
      continue;
    }
    if (outcome == Outcome::kCovered && running && !known) {
      throw appeared(path);
    }
    protected_.insert(path);
  }
  for (const Mask& mask : scan.linked()) {
    if (hidden_.contains(mask.inode)) {
      put(mask);
    }
  }
}

void Masks::cover_all() { look(false); }

void Masks::look(bool running) {
  Scan scan(*config_.files, config_.trees, watches_);
  for (std::size_t tree = 0; tree < config_.trees.size(); ++tree) {
    scan.whole(tree, std::max(2U, std::thread::hardware_concurrency()));
  }
  hidden_.insert(scan.hidden().begin(), scan.hidden().end());
  apply(scan, running);
  for (const Mask& mask : scan.linked()) {
    linked_.insert(mask.inode);
  }
}

void Masks::watch() {
  thread_ = std::thread([this] {
    try {
      serve();
    } catch (...) {
      config_.failed(std::current_exception());
    }
  });
}

void Masks::serve() {
  pollfd events[] = {
      {watches_.descriptor(), POLLIN, 0}, {stop_.get(), POLLIN, 0}, {config_.guard, POLLIN, 0}};
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
    bool all = false;
    const bool complete = watches_.take([&](const Change& change) {
      Scan scan(*config_.files, config_.trees, watches_);
      scan.name(change.directory, change.name);
      for (const Inode& inode : scan.hidden()) {
        all |= hidden_.insert(inode).second;  // its other names are still shown
      }
      apply(scan, true);
      // A further name of a file in a hidden place, whose inode nobody has looked at yet.
      all |= std::any_of(scan.linked().begin(), scan.linked().end(),
                         [&](const Mask& mask) { return linked_.insert(mask.inode).second; });
    });
    if (!complete || all) {
      look(true);
    }
  }
}

}  // namespace agentbox::masks
