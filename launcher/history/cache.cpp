#include "launcher/history/cache.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <memory>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/file.h"
#include "base/sha256.h"

namespace agentbox::history {

namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr std::size_t kLargest = 1u << 30;      // bytes
constexpr std::time_t kKept = 60L * 24 * 3600;  // seconds without use

json to_json(const std::vector<Stamp>& stamps) {
  json list = json::array();
  for (const Stamp& stamp : stamps) {
    list.push_back({stamp.path, stamp.size, stamp.modified, stamp.inode});
  }
  return list;
}

std::vector<Stamp> stamps_from(const json& list) {
  std::vector<Stamp> stamps;
  for (const json& one : list) {
    stamps.push_back({.path = one.at(0).get<std::string>(),
                      .size = one.at(1).get<std::uint64_t>(),
                      .modified = one.at(2).get<std::int64_t>(),
                      .inode = one.at(3).get<std::uint64_t>()});
  }
  return stamps;
}

json to_json(const Secret& secret) {
  return {{"object", secret.object}, {"type", secret.type},  {"kind", secret.kind},
          {"title", secret.title},   {"path", secret.path},  {"commit", secret.commit},
          {"line", secret.line},     {"count", secret.count}};
}

Secret secret_from(const json& one) {
  return {.object = one.at("object").get<std::string>(),
          .type = one.at("type").get<std::string>(),
          .kind = one.at("kind").get<std::string>(),
          .title = one.at("title").get<std::string>(),
          .path = one.at("path").get<std::string>(),
          .commit = one.at("commit").get<std::string>(),
          .line = one.at("line").get<std::uint64_t>(),
          .count = one.at("count").get<std::uint64_t>()};
}

// Thousands of ids: one text is read faster than a list of them.
std::string join(const std::vector<ObjectId>& ids) {
  std::string text;
  for (const ObjectId& id : ids) {
    text += id.hex();
    text += ' ';
  }
  return text;
}

std::vector<ObjectId> ids_from(const std::string& text) {
  std::vector<ObjectId> ids;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    const std::optional<ObjectId> id = ObjectId::parse(std::string_view(text).substr(at, end - at));
    if (!id) {
      throw std::invalid_argument("no object id");
    }
    ids.push_back(*id);
    at = end + 1;
  }
  return ids;
}

std::string dump(const json& document) {
  // A path may be any bytes; what is kept of it is for people to read.
  return document.dump(-1, ' ', false, json::error_handler_t::replace);
}

struct CloseDirectory {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

}  // namespace

Cache::Cache(const std::string& directory, std::string rules)
    : directory_(base::open_private_directory(directory)), rules_(std::move(rules)) {}

std::string Cache::name_of(const char* kind, const std::string& path) const {
  return kind + base::sha256_hex(path + '\0' + rules_) + ".json";
}

std::optional<std::string> Cache::read(const std::string& name) const {
  const base::UniqueFd file(
      ::openat(directory_.get(), name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!file) {
    return std::nullopt;
  }
  // Its time says when it was last of use. Best effort: without it, it is only searched again.
  static_cast<void>(::futimens(file.get(), nullptr));
  return base::read_all(file.get(), kLargest, name);
}

std::optional<Searched> Cache::load(const std::string& repository) const {
  const std::optional<std::string> text = read(name_of("repository-", repository));
  if (!text) {
    return std::nullopt;
  }
  try {
    const json document = json::parse(*text);
    if (document.at("format").get<int>() != kFormat || document.at("rules") != rules_ ||
        document.at("repository") != repository) {
      return std::nullopt;
    }
    Searched searched;
    searched.stores.packs = stamps_from(document.at("packs"));
    searched.stores.loose = ids_from(document.at("loose").get<std::string>());
    searched.indexes = stamps_from(document.at("indexes"));
    searched.prefix = document.at("prefix").get<std::string>();
    for (const json& one : document.at("secrets")) {
      searched.secrets.push_back(secret_from(one));
    }
    return searched;
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void Cache::save(const std::string& repository, const Searched& searched) const {
  json secrets = json::array();
  for (const Secret& secret : searched.secrets) {
    secrets.push_back(to_json(secret));
  }
  const json document = {{"format", kFormat},
                         {"rules", rules_},
                         {"repository", repository},
                         {"packs", to_json(searched.stores.packs)},
                         {"loose", join(searched.stores.loose)},
                         {"indexes", to_json(searched.indexes)},
                         {"prefix", searched.prefix},
                         {"secrets", secrets}};
  base::replace_file(directory_.get(), name_of("repository-", repository), dump(document), 0600);
  remove_old();
}

std::optional<std::vector<std::string>> Cache::load_repositories(const std::string& root) const {
  const std::optional<std::string> text = read(name_of("project-", root));
  if (!text) {
    return std::nullopt;
  }
  try {
    return json::parse(*text).at("repositories").get<std::vector<std::string>>();
  } catch (const std::exception&) {
    return std::nullopt;
  }
}

void Cache::save_repositories(const std::string& root, const std::vector<std::string>& list) const {
  base::replace_file(directory_.get(), name_of("project-", root),
                     dump({{"project", root}, {"repositories", list}}), 0600);
}

void Cache::remove_old() const {
  const int copy = ::openat(directory_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, CloseDirectory> list(copy < 0 ? nullptr : ::fdopendir(copy));
  if (!list) {
    return;  // what is not cleaned up now is later
  }
  const std::time_t now = std::time(nullptr);
  while (const dirent* entry = ::readdir(list.get())) {
    struct stat status = {};
    if (entry->d_name[0] != '.' &&
        ::fstatat(directory_.get(), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(status.st_mode) && status.st_mtim.tv_sec + kKept < now) {
      ::unlinkat(directory_.get(), entry->d_name, 0);
    }
  }
}

}  // namespace agentbox::history
