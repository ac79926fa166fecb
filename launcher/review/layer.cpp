#include "launcher/review/layer.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"
#include "launcher/review/files.h"

namespace agentbox::review {
namespace {

using base::check;
using base::Error;
using base::Status;
using base::UniqueFd;
using nlohmann::json;

constexpr char kManifest[] = "manifest.json";
constexpr std::size_t kMostManifest = 1 << 20;
constexpr std::int64_t kMostIndex = 256 << 20;  // bytes, as the view's own limit

std::int64_t now(clockid_t clock) {
  struct timespec time = {};
  ::clock_gettime(clock, &time);
  return nanoseconds(time);
}

void require_utf8(const std::string& text) {
  if (!base::is_utf8(text)) {
    throw Error(Status::kConfiguration,
                "a layer cannot be made for a path that is not UTF-8: " + base::printable(text),
                "rename the directory, or run without --review");
  }
}

std::string text_of(const Manifest& manifest) {
  json parts = json::array();
  for (const Part& part : manifest.parts) {
    parts.push_back({{"root", part.root}, {"prefix", part.prefix}});
  }
  return json{{"version", 1},
              {"id", manifest.id},
              {"project", manifest.project},
              {"started", manifest.started},
              {"command", base::printable(manifest.command)},
              {"scope", manifest.scope},
              {"policy_file", manifest.policy_file},
              {"policy", manifest.policy},
              {"profiles", manifest.profiles},
              {"ended", manifest.ended},
              {"parts", parts}}
      .dump(2);
}

Manifest parse(const std::string& text) {
  try {
    const json all = json::parse(text);
    if (all.at("version") != 1) {
      throw Error(Status::kFailed, "a layer of another version of agentbox");
    }
    Manifest manifest;
    manifest.id = all.at("id");
    manifest.project = all.at("project");
    manifest.started = all.at("started");
    manifest.command = all.at("command");
    manifest.scope = all.at("scope");
    manifest.policy_file = all.at("policy_file");
    manifest.policy = all.at("policy");
    manifest.profiles = all.at("profiles").get<std::vector<std::string>>();
    manifest.ended = all.at("ended");
    for (const json& part : all.at("parts")) {
      manifest.parts.push_back({part.at("root"), part.at("prefix")});
    }
    return manifest;
  } catch (const json::exception& error) {
    throw Error(Status::kFailed, std::string("a layer's manifest is broken: ") + error.what());
  }
}

bool lock(int fd) {
  if (::flock(fd, LOCK_EX | LOCK_NB) == 0) {
    return true;
  }
  check(errno == EWOULDBLOCK ? 0 : -1, "lock", "a layer");
  return false;
}

// Its mode, owner and time: the box sees the layer's in place of the directory's own.
void make_upper(int directory, const std::string& name, const std::string& root) {
  struct stat status = {};
  check(::lstat(root.c_str(), &status), "stat", base::printable(root));
  check(::mkdirat(directory, name.c_str(), 0700), "make", name);
  if (::geteuid() == 0) {
    check(::fchownat(directory, name.c_str(), status.st_uid, status.st_gid, 0), "own", name);
  }
  check(::fchmodat(directory, name.c_str(), status.st_mode & 01777, 0), "change mode of", name);
  const struct timespec times[] = {status.st_atim, status.st_mtim};
  check(::utimensat(directory, name.c_str(), times, 0), "set time of", name);
}

// The git indexes that stand in a part, relative to its root.
std::vector<std::string> indexes_in(const Part& part, int root) {
  const std::string git = part.prefix.empty() ? ".git" : "";
  std::vector<std::string> indexes = {join(git, "index")};
  if (const UniqueFd linked = open_below(root, join(git, "worktrees"), O_RDONLY | O_DIRECTORY)) {
    for (const std::string& name : names_in(linked.get())) {
      indexes.push_back(join(join(git, "worktrees"), name + "/index"));
    }
  }
  return indexes;
}

void copy_indexes(const Part& part, int directory) {
  const UniqueFd root = open_absolute(part.root, O_PATH | O_DIRECTORY);
  for (const std::string& index : indexes_in(part, root.get())) {
    const UniqueFd parent = open_below(root.get(), parent_of(index), O_PATH | O_DIRECTORY);
    if (!parent) {
      continue;
    }
    const std::optional<struct stat> status = status_of(parent.get(), "index");
    if (status && S_ISREG(status->st_mode) && status->st_size <= kMostIndex) {
      copy(parent.get(), "index", directory, Layer::index_copy(join(part.root, index)));
    }
  }
}

}  // namespace

Layer Layer::create(const std::string& directory, Manifest manifest) {
  require_utf8(manifest.project);
  require_utf8(manifest.policy_file);
  for (const Part& part : manifest.parts) {
    require_utf8(part.root);
  }
  base::open_private_directory(directory);
  Layer layer(join(directory, manifest.id),
              base::open_private_directory(join(directory, manifest.id)));
  lock(layer.fd_.get());
  layer.manifest_ = std::move(manifest);
  layer.manifest_.started = now(CLOCK_REALTIME);
  for (std::size_t i = 0; i < layer.manifest_.parts.size(); ++i) {
    const std::string name = std::to_string(i);
    check(::mkdirat(layer.fd_.get(), name.c_str(), 0700), "make", name);
    make_upper(layer.fd_.get(), join(name, "upper"), layer.manifest_.parts[i].root);
    check(::mkdirat(layer.fd_.get(), join(name, "work").c_str(), 0700), "make", name);
    copy_indexes(layer.manifest_.parts[i], layer.fd_.get());
  }
  layer.write_manifest();
  return layer;
}

Layer Layer::open(const std::string& directory, const std::string& id) {
  const std::string place = join(directory, id);
  Layer layer(place, base::open_at(AT_FDCWD, place, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
  if (!lock(layer.fd_.get())) {
    throw Error(Status::kFailed, "the session of review " + id + " is still running",
                "end it first; or another `agentbox review` works with it");
  }
  // One without was killed while it was made: no box has written to it.
  if (status_of(layer.fd_.get(), kManifest)) {
    layer.manifest_ = parse(bytes_of(layer.fd_.get(), kManifest, kMostManifest));
  }
  layer.manifest_.id = id;
  return layer;
}

std::string Layer::upper(std::size_t part) const {
  return join(join(place_, std::to_string(part)), "upper");
}

std::string Layer::work(std::size_t part) const {
  return join(join(place_, std::to_string(part)), "work");
}

UniqueFd Layer::open_upper(std::size_t part) const {
  UniqueFd fd = open_below(fd_.get(), join(std::to_string(part), "upper"), O_RDONLY | O_DIRECTORY);
  check(fd.get(), "open", "the layer");
  return fd;
}

std::string Layer::index_copy(const std::string& path) {
  return "index-" + base::sha256_hex(path).substr(0, 32);
}

void Layer::wait_for_clock() const {
  while (now(CLOCK_REALTIME_COARSE) <= manifest_.started) {
    const struct timespec pause = {.tv_sec = 0, .tv_nsec = 500'000};
    ::nanosleep(&pause, nullptr);
  }
}

void Layer::write_manifest() { base::replace_file(fd_.get(), kManifest, text_of(manifest_), 0600); }

void Layer::mark_ended() {
  manifest_.ended = true;
  write_manifest();
}

void Layer::remove() {
  const UniqueFd parent = open_absolute(parent_of(place_), O_RDONLY | O_DIRECTORY);
  remove_tree(parent.get(), name_of(place_));
}

std::vector<Listed> list(const std::string& directory) {
  std::vector<Listed> result;
  const UniqueFd all(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!all && errno == ENOENT) {
    return result;
  }
  check(all.get(), "open", base::printable(directory));
  for (const std::string& name : names_in(all.get())) {
    const UniqueFd one = open_below(all.get(), name, O_RDONLY | O_DIRECTORY);
    if (!one) {
      continue;
    }
    Listed listed;
    try {
      listed.manifest = parse(bytes_of(one.get(), kManifest, kMostManifest));
    } catch (const Error&) {
      listed.manifest = Manifest();  // killed while it was made, or not ours: named, not hidden
    }
    listed.manifest.id = name;
    listed.running = !lock(one.get());
    result.push_back(std::move(listed));
  }
  return result;
}

}  // namespace agentbox::review
