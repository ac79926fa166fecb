#include "launcher/history/stores.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <memory>
#include <set>

#include "base/error.h"
#include "base/file.h"

namespace agentbox::history {

namespace {

constexpr std::size_t kMostAlternates = 1 << 20;  // bytes

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

std::vector<std::string> names_in(const std::string& path) {
  const std::unique_ptr<DIR, CloseDirectory> directory(::opendir(path.c_str()));
  if (!directory) {
    if (errno == ENOENT || errno == ENOTDIR) {
      return {};
    }
    throw base::SystemError("list", path, errno);
  }
  std::vector<std::string> names;
  errno = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') {
      names.emplace_back(entry->d_name);
    }
    errno = 0;
  }
  if (errno != 0) {
    throw base::SystemError("list", path, errno);
  }
  return names;
}

bool ends_with(const std::string& text, std::string_view end) {
  return text.size() > end.size() && std::string_view(text).substr(text.size() - end.size()) == end;
}

std::string real_path(const std::string& path) {
  char buffer[PATH_MAX];
  return ::realpath(path.c_str(), buffer) != nullptr ? buffer : "";
}

// Git quotes a path that begins with a double quote, as in C.
std::string unquoted(const std::string& line) {
  std::string path;
  for (std::size_t i = 1; i < line.size() && line[i] != '"'; ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) {
      ++i;
    }
    path += line[i];
  }
  return path;
}

class Finder {
 public:
  void add(const std::string& path) {
    const std::string objects = real_path(path);
    if (objects.empty() || !seen_.insert(objects).second) {
      return;
    }
    stores_.directories.push_back(objects);
    for (const std::string& name : names_in(objects)) {
      if (name.size() == 2) {
        add_loose(objects, name);
      }
    }
    for (const std::string& name : names_in(objects + "/pack")) {
      if (ends_with(name, ".idx")) {
        const std::string stem = objects + "/pack/" + name.substr(0, name.size() - 4);
        if (Stamp pack = stamp(stem + ".pack"); !pack.path.empty()) {
          stores_.packs.push_back(std::move(pack));
        }
      }
    }
    add_alternates(objects);
  }

  Stores take() {
    std::sort(stores_.packs.begin(), stores_.packs.end());
    std::sort(stores_.loose.begin(), stores_.loose.end());
    stores_.loose.erase(std::unique(stores_.loose.begin(), stores_.loose.end()),
                        stores_.loose.end());
    return std::move(stores_);
  }

 private:
  void add_loose(const std::string& objects, const std::string& fan_out) {
    for (const std::string& name : names_in(objects + "/" + fan_out)) {
      if (const std::optional<ObjectId> id = ObjectId::parse(fan_out + name)) {
        stores_.loose.push_back(*id);
      }
    }
  }

  void add_alternates(const std::string& objects) {
    const std::string file = objects + "/info/alternates";
    struct stat status = {};
    if (::stat(file.c_str(), &status) != 0) {
      return;
    }
    const std::string text = base::read_file(file, kMostAlternates);
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::string line = text.substr(at, end - at);
      at = end + 1;
      if (line.empty() || line.front() == '#') {
        continue;
      }
      if (line.front() == '"') {
        line = unquoted(line);
      }
      add(!line.empty() && line.front() == '/' ? line : objects + "/" + line);
    }
  }

  std::set<std::string> seen_;
  Stores stores_;
};

}  // namespace

Stamp stamp(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) {
    return {};
  }
  return {.path = path,
          .size = static_cast<std::uint64_t>(status.st_size),
          .modified = status.st_mtim.tv_sec * 1'000'000'000L + status.st_mtim.tv_nsec,
          .inode = status.st_ino};
}

Stores find_stores(const std::string& git_directory) {
  Finder finder;
  finder.add(git_directory + "/objects");
  return finder.take();
}

std::vector<ObjectId> objects_of(const Git& git, const Stamp& pack) {
  const std::string index = pack.path.substr(0, pack.path.size() - 5) + ".idx";
  GitProcess process = git.start({"show-index"}, base::open_at(AT_FDCWD, index, O_RDONLY));
  std::vector<std::pair<std::uint64_t, ObjectId>> objects;
  std::string line;
  while (process.next(line)) {
    // "OFFSET ID (CRC)"
    const std::size_t space = line.find(' ');
    const std::size_t end = std::min(line.find(' ', space + 1), line.size());
    const std::optional<ObjectId> id =
        space == std::string::npos ? std::nullopt
                                   : ObjectId::parse(line.substr(space + 1, end - space - 1));
    if (!id) {
      throw base::Error(base::Status::kFailed, "git show-index printed an unknown line");
    }
    objects.emplace_back(std::strtoull(line.c_str(), nullptr, 10), *id);
  }
  process.require();
  std::sort(objects.begin(), objects.end());
  std::vector<ObjectId> ids;
  ids.reserve(objects.size());
  for (const auto& [offset, id] : objects) {
    ids.push_back(id);
  }
  return ids;
}

}  // namespace agentbox::history
