#include "launcher/survey/walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <vector>

#include "base/error.h"
#include "launcher/survey/directory.h"
#include "launcher/survey/tasks.h"

namespace agentbox::survey {

namespace {

using Rules = policy::FileRules::Directory;

// Some hundred names: a large directory is shared between threads in pieces of this size.
constexpr std::size_t kBuffer = 32 * 1024;

bool gone(int error) { return error == ENOENT || error == ENOTDIR || error == ELOOP; }

bool closed(int error) {
  return error == EACCES || error == EPERM || error == ENOTCONN || error == ESTALE;
}

// What the threads of a walk share.
struct Shared {
  const Options& options;
  const Visit& visit;
  Budget budget;
  Tasks tasks;
  dev_t device = 0;  // of the root
  std::mutex mutex;
  std::exception_ptr failure;  // the first

  bool stopped() const { return options.stop != nullptr && *options.stop; }
};

// What one thread does and needs.
class Worker {
 public:
  explicit Worker(Shared& shared) : shared_(shared), buffer_(new char[kBuffer]) {}

  void list(const Task& task) {
    const bool begun = task.begun != nullptr;
    path_ = begun ? task.begun->path() : join(task.parent->path(), task.name);
    base::UniqueFd own;  // closed at the end, unless the directory is kept
    const std::shared_ptr<Listing> listing = begun ? task.begun : open(task, own);
    if (listing == nullptr) {
      return;
    }
    std::optional<Rules> rules;
    if (shared_.options.files != nullptr) {
      rules = rules_of(*listing);
      if (!begun) {
        listing->handed = rules->handed();
      }
    }
    const int fd = own ? own.get() : listing->nearest->fd();
    const std::size_t length = path_.size();
    for (bool more = true; more && !shared_.stopped();) {
      path_.resize(length);
      const long count = read_entries(fd, {buffer_.get(), kBuffer});
      if (count <= 0) {
        return count < 0 ? fail(errno) : void();
      }
      // There is probably more: let another thread read on. It needs the descriptor for itself.
      if (!own && static_cast<std::size_t>(count) > kBuffer / 2 && shared_.options.threads > 1) {
        found_.push_back({.parent = nullptr, .name = {}, .begun = listing});
        shared_.tasks.push(found_);
        more = false;
      }
      visit({buffer_.get(), static_cast<std::size_t>(count)}, fd, listing, rules);
      shared_.tasks.push(found_);
    }
  }

 private:
  // Null if it cannot be listed. The descriptor is in the listing, or in `own` if it is not kept.
  std::shared_ptr<Listing> open(const Task& task, base::UniqueFd& own) {
    const Kept& from = *task.parent->nearest;
    own = open_directory(from.fd(), from.rest(path_));
    struct stat status = {};
    if (!own || (shared_.options.stay && ::fstat(own.get(), &status) != 0)) {
      fail(errno);
      return nullptr;
    }
    if (shared_.options.stay && status.st_dev != shared_.device) {
      return nullptr;
    }
    auto listing = std::make_shared<Listing>();
    listing->parent = task.parent;
    listing->name = task.name;
    listing->depth = task.parent->depth + 1;
    listing->nearest = task.parent->nearest;
    if (shared_.budget.allows(listing->depth)) {
      listing->nearest = std::make_shared<const Kept>(std::move(own), path_.size(), shared_.budget);
    }
    return listing;
  }

  // Of the directory at `path_`.
  Rules rules_of(const Listing& listing) const {
    const policy::FileRules& files = *shared_.options.files;
    return listing.parent == nullptr
               ? Rules(files, shared_.options.prefix)
               : Rules(files, join(shared_.options.prefix, path_), listing.parent->handed);
  }

  // What is at `path_` cannot be listed or looked at.
  void fail(int error) const {
    if (!closed(error) && !gone(error)) {
      throw base::SystemError("list", path_, error);
    }
    if (closed(error) && shared_.options.unlisted) {
      shared_.options.unlisted(path_, error);
    }
  }

  // Calls the visitor for each entry, and collects the directories to go into.
  void visit(std::span<const char> entries, int fd, const std::shared_ptr<Listing>& listing,
             const std::optional<Rules>& rules) {
    const policy::FileDecision* hidden = rules ? rules->hidden() : nullptr;
    path_.append(path_.empty() ? "" : "/");
    const std::size_t length = path_.size();
    std::size_t count = 0;
    while (!entries.empty() && !shared_.stopped()) {
      const RawEntry raw = take_entry(entries);
      if (raw.name == "." || raw.name == "..") {
        continue;
      }
      path_.resize(length);
      path_.append(raw.name);
      Entry entry;
      entry.path = path_;
      entry.name = raw.name;
      entry.directory = fd;
      entry.type = raw.type;
      if (entry.type == DT_UNKNOWN && !find_type(entry)) {
        continue;
      }
      entry.below_hidden = hidden != nullptr;
      if (rules) {
        entry.decision = rules->judge(raw.name, entry.type == DT_DIR);
      }
      ++count;
      if (shared_.visit(entry) && entry.type == DT_DIR) {
        found_.push_back({.parent = listing, .name = std::string(raw.name), .begun = nullptr});
      }
    }
    if (shared_.options.progress != nullptr) {
      *shared_.options.progress += count;
    }
  }

  // For file systems that do not tell it with the name. False if it cannot be had.
  bool find_type(Entry& entry) const {
    struct stat status = {};
    if (::fstatat(entry.directory, entry.name.data(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      fail(errno);
      return false;
    }
    entry.type = static_cast<unsigned char>(IFTODT(status.st_mode));
    return true;
  }

  Shared& shared_;
  std::unique_ptr<char[]> buffer_;
  std::vector<Task> found_;
  std::string path_;
};

void work(Shared& shared) {
  try {
    Worker worker(shared);
    while (std::optional<Task> task = shared.tasks.pop()) {
      worker.list(*task);
      task.reset();
      shared.tasks.done();
      if (shared.stopped()) {
        shared.tasks.end();
      }
    }
  } catch (...) {
    const std::lock_guard lock(shared.mutex);
    if (!shared.failure) {
      shared.failure = std::current_exception();
    }
    shared.tasks.end();
  }
}

// The root, ready to be listed.
std::shared_ptr<Listing> open_root(Shared& shared) {
  constexpr std::string_view kRoot = "the root of the walk";
  base::UniqueFd fd = open_directory(shared.options.root, "");
  if (!fd) {
    throw base::SystemError("list", kRoot, errno);
  }
  struct stat status = {};
  base::check(::fstat(fd.get(), &status), "stat", kRoot);
  shared.device = status.st_dev;
  auto root = std::make_shared<Listing>();
  root->nearest = std::make_shared<const Kept>(std::move(fd), 0, shared.budget);
  if (shared.options.files != nullptr) {
    root->handed = Rules(*shared.options.files, shared.options.prefix).handed();
  }
  return root;
}

}  // namespace

void walk(const Options& options, const Visit& visit) {
  Shared shared{
      .options = options, .visit = visit, .budget = {}, .tasks = {}, .mutex = {}, .failure = {}};
  std::vector<Task> first(1);
  first.front().begun = open_root(shared);
  shared.tasks.push(first);
  {
    std::vector<std::jthread> others;
    try {
      for (unsigned i = 1; i < options.threads; ++i) {
        others.emplace_back([&] { work(shared); });
      }
    } catch (const std::system_error&) {
      // The threads that there are do all the work.
    }
    work(shared);
  }
  if (shared.failure) {
    std::rethrow_exception(shared.failure);
  }
}

}  // namespace agentbox::survey
