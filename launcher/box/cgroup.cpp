#include "launcher/box/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <sstream>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"

namespace agentbox::box {

namespace {

using base::UniqueFd;

constexpr std::string_view kPrefix = "agentbox-";
constexpr char kSupervisors[] = "agentbox-supervisors";

bool write_file(int directory, const char* name, const std::string& text) {
  const UniqueFd file(::openat(directory, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW));
  return file && ::write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// Whether `controllers` are handed on to the children of `group`, or can be.
bool enable(int group, const Limits& limits) {
  std::string wanted;
  if (limits.memory) {
    wanted += "+memory ";
  }
  if (limits.processes) {
    wanted += "+pids ";
  }
  return write_file(group, "cgroup.subtree_control", wanted);
}

// Groups that a killed supervisor could not remove; one that is in use refuses (EBUSY).
void sweep(int parent) {
  const int copy = ::openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* listing = copy < 0 ? nullptr : ::fdopendir(copy);
  if (listing == nullptr) {
    return;
  }
  while (const dirent* entry = ::readdir(listing)) {
    if (std::string_view(entry->d_name).substr(0, kPrefix.size()) == kPrefix) {
      ::unlinkat(parent, entry->d_name, AT_REMOVEDIR);
    }
  }
  ::closedir(listing);
}

bool set_limits(int group, const Limits& limits) {
  if (limits.memory) {
    // The box ends as a whole: an agent whose helpers vanish one by one is of no use.
    if (!write_file(group, "memory.max", std::to_string(*limits.memory)) ||
        !write_file(group, "memory.oom.group", "1")) {
      return false;
    }
    write_file(group, "memory.swap.max", "0");  // not there without swap accounting
  }
  return !limits.processes || write_file(group, "pids.max", std::to_string(*limits.processes));
}

struct Made {
  std::string name;
  UniqueFd directory;
};

std::optional<Made> make_below(int parent, const Limits& limits) {
  sweep(parent);
  unsigned char random[8];
  if (::getrandom(random, sizeof random, 0) != static_cast<ssize_t>(sizeof random)) {
    return std::nullopt;
  }
  const std::string name =
      std::string(kPrefix) + base::hex({reinterpret_cast<const char*>(random), sizeof random});
  if (::mkdirat(parent, name.c_str(), 0755) < 0) {
    return std::nullopt;
  }
  UniqueFd directory(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory || !set_limits(directory.get(), limits)) {
    ::unlinkat(parent, name.c_str(), AT_REMOVEDIR);
    return std::nullopt;
  }
  return Made{name, std::move(directory)};
}

// Out of the way of the rule that only leaves hold processes. False if others stay behind.
bool move_self_to_leaf(int own) {
  if (::mkdirat(own, kSupervisors, 0755) < 0 && errno != EEXIST) {
    return false;
  }
  const UniqueFd leaf(::openat(own, kSupervisors, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  return leaf && write_file(leaf.get(), "cgroup.procs", "0");
}

UniqueFd open_group(const std::string& path) {
  return UniqueFd(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
}

}  // namespace

std::string cgroup2_mount(std::string_view mountinfo) {
  std::istringstream lines{std::string(mountinfo)};
  for (std::string line; std::getline(lines, line);) {
    const std::size_t separator = line.find(" - ");
    std::istringstream fields(line);
    std::string id, parent, device, root, mount_point;
    fields >> id >> parent >> device >> root >> mount_point;
    if (separator != std::string::npos && line.compare(separator + 3, 8, "cgroup2 ") == 0 &&
        root == "/") {
      return mount_point;
    }
  }
  return {};
}

std::string cgroup2_path(std::string_view text) {
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("0::/", 0) == 0) {
      return line.substr(3);
    }
  }
  return {};
}

std::optional<Cgroup> Cgroup::make(const Limits& limits) {
  if (!limits.memory && !limits.processes) {
    return std::nullopt;
  }
  constexpr std::size_t kLargest = 1 << 20;
  std::string mount, path;
  try {
    mount = cgroup2_mount(base::read_file("/proc/self/mountinfo", kLargest));
    path = cgroup2_path(base::read_file("/proc/self/cgroup", kLargest));
  } catch (const base::Error&) {
    return std::nullopt;
  }
  if (mount.empty() || path.empty()) {
    return std::nullopt;
  }
  const auto wrap = [](UniqueFd parent, std::optional<Made> made) {
    return made ? std::optional<Cgroup>(
                      Cgroup(std::move(parent), std::move(made->name), std::move(made->directory)))
                : std::nullopt;
  };
  if (path != "/") {
    UniqueFd beside = open_group(mount + path.substr(0, path.rfind('/')));
    if (beside && ::faccessat(beside.get(), "cgroup.procs", W_OK, AT_EACCESS) == 0) {
      if (auto made = make_below(beside.get(), limits)) {
        return wrap(std::move(beside), std::move(made));
      }
    }
  }
  UniqueFd own = open_group(mount + path);
  if (!own || ::faccessat(own.get(), "cgroup.procs", W_OK, AT_EACCESS) != 0 ||
      (!enable(own.get(), limits) &&
       (!move_self_to_leaf(own.get()) || !enable(own.get(), limits)))) {
    return std::nullopt;
  }
  auto made = make_below(own.get(), limits);
  return wrap(std::move(own), std::move(made));
}

Cgroup::~Cgroup() {
  if (!parent_) {
    return;
  }
  // The last process is dead, but the kernel may still be taking it apart.
  for (int attempt = 0; attempt < 50; ++attempt) {
    if (::unlinkat(parent_.get(), name_.c_str(), AT_REMOVEDIR) == 0 || errno != EBUSY) {
      return;
    }
    ::usleep(2000);
  }
}

}  // namespace agentbox::box
