#include "resolver/backends/sops.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <map>
#include <optional>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "resolver/age.h"
#include "resolver/sops_file.h"

namespace agentbox::resolver {

namespace {

constexpr std::size_t kLargestFile = 4u << 20;
constexpr std::size_t kLargestKeys = 64u << 10;
constexpr const char* kForm = "the form is sops://file.yaml#path.to.key; sops:///… is absolute";

struct Target {
  std::string file;
  std::vector<std::string> keys;
};

std::optional<Target> target_of(const Reference& reference) {
  Target target;
  for (std::size_t i = 0; i < reference.path.size(); ++i) {
    const std::string& part = reference.path[i];
    if ((part.empty() && i > 0) || part == "." || part == ".." ||
        part.find('/') != std::string::npos) {
      return std::nullopt;
    }
    target.file += (i > 0 ? "/" : "") + part;
  }
  std::string_view keys = reference.fragment;
  const char mark = keys.starts_with('/') ? '/' : '.';
  keys.remove_prefix(mark == '/' ? 1 : 0);
  while (!keys.empty()) {
    const std::size_t end = std::min(keys.find(mark), keys.size());
    target.keys.emplace_back(keys.substr(0, end));
    keys.remove_prefix(std::min(end + 1, keys.size()));
  }
  return target.file.empty() || target.keys.empty() || !reference.query.empty()
             ? std::nullopt
             : std::optional(std::move(target));
}

Failed failure_of(const base::SystemError& error, const std::string& shown) {
  switch (error.error()) {
    case ENOENT:
    case ENOTDIR:
      return {Failure::kNotFound, "there is no file " + shown,
              "a relative path begins at the project's root"};
    case EACCES:
    case EPERM:
      return {Failure::kPermissionDenied, error.what(), "`chmod u+r` it"};
    case ELOOP:
    case EXDEV:
      return {Failure::kInvalidReference, shown + " leads through a symbolic link",
              "name the file itself"};
    default:
      return {Failure::kUnavailable, error.what(), error.hint()};
  }
}

// All identities there are; `missing` says where they were looked for.
std::vector<Secret> read_identities(const Environment& environment, std::string& places) {
  std::vector<Secret> identities;
  const auto take = [&](std::string_view text) {
    std::vector<Secret> more = read_age_identities(text);
    identities.insert(identities.end(), std::make_move_iterator(more.begin()),
                      std::make_move_iterator(more.end()));
  };
  take(environment.get("SOPS_AGE_KEY"));
  std::vector<std::string> files;
  if (!environment.get("SOPS_AGE_KEY_FILE").empty()) {
    files.emplace_back(environment.get("SOPS_AGE_KEY_FILE"));
  }
  if (!environment.get("XDG_CONFIG_HOME").empty()) {
    files.push_back(std::string(environment.get("XDG_CONFIG_HOME")) + "/sops/age/keys.txt");
  } else if (!environment.get("HOME").empty()) {
    files.push_back(std::string(environment.get("HOME")) + "/.config/sops/age/keys.txt");
  }
  places = "SOPS_AGE_KEY";
  for (const std::string& file : files) {
    places += ", " + base::printable(file);
    try {
      const base::UniqueFd fd = base::open_at(AT_FDCWD, file, O_RDONLY | O_NONBLOCK | O_NOCTTY);
      take(read_secret(fd.get(), kLargestKeys, base::printable(file)).reveal());
    } catch (const base::SystemError& error) {
      if (error.error() != ENOENT && error.error() != ENOTDIR) {
        throw;
      }
    }
  }
  return identities;
}

class Call {
 public:
  Call(const std::string& root, const Environment& environment)
      : root_(root), environment_(environment) {}

  std::optional<Failed> decrypt(const std::string& path, std::vector<SopsFile::Wanted>& wanted,
                                std::string& version) {
    const std::string shown = base::printable(path);
    const std::optional<SopsFile::Format> format = SopsFile::format_of(path);
    if (!format) {
      return Failed{Failure::kInvalidReference,
                    shown +
                        " is of no known format: its name ends in none of .yaml, .yml, .json, "
                        ".env, .ini",
                    ""};
    }
    if (!path.starts_with('/') && root_.empty()) {
      return Failed{Failure::kInvalidReference,
                    shown + " is relative, and there is no project here", kForm};
    }
    try {
      const SopsFile file = SopsFile::parse(read(path), *format);
      const std::optional<Secret> key = open_key(file);
      if (!key) {
        return no_key(shown, file);
      }
      version = file.last_modified();
      file.decrypt(*key, wanted);
      return std::nullopt;
    } catch (const base::SystemError& error) {
      return failure_of(error, shown);
    } catch (const base::Error& error) {
      return Failed{Failure::kInvalidResponse, shown + ": " + error.what(), error.hint()};
    }
  }

 private:
  // The text as it is on the disk: encrypted, so an ordinary string.
  std::string read(const std::string& path) const {
    constexpr int kFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
    base::UniqueFd file;
    if (path.starts_with('/')) {
      file = base::open_at(AT_FDCWD, path, kFlags | O_NOFOLLOW);
    } else {
      const base::UniqueFd root = base::open_at(AT_FDCWD, root_, O_RDONLY | O_DIRECTORY);
      file = base::open_beneath(root.get(), path, kFlags);
    }
    struct stat status = {};
    base::check(::fstat(file.get(), &status), "stat", path);
    if (!S_ISREG(status.st_mode)) {
      throw base::Error(base::Status::kConfiguration, "it is not a regular file");
    }
    return base::read_all(file.get(), kLargestFile, path);
  }

  std::optional<Secret> open_key(const SopsFile& file) {
    if (!identities_) {
      identities_ = read_identities(environment_, places_);
    }
    for (const std::string& wrapped : file.age_keys()) {
      if (std::optional<Secret> key = open_age(wrapped, *identities_)) {
        return key;
      }
    }
    return std::nullopt;
  }

  Failed no_key(const std::string& shown, const SopsFile& file) const {
    if (file.age_keys().empty()) {
      std::string services;
      for (const std::string& service : file.other_keys()) {
        services += (services.empty() ? "" : ", ") + service;
      }
      return {Failure::kUnavailable,
              shown + " has no age recipient" + (services.empty() ? "" : ", only " + services) +
                  ": this version opens such files by age alone",
              "add one (`sops rotate -i --add-age age1… FILE`), or use "
              "exec://sops decrypt --extract …"};
    }
    return {identities_->empty() ? Failure::kAuthRequired : Failure::kAuthFailed,
            (identities_->empty() ? "there is no age identity to open " + shown + " with"
                                  : "none of your age identities opens " + shown) +
                "; looked in " + places_,
            "name the key file in SOPS_AGE_KEY_FILE, or ask to be made a recipient"};
  }

  const std::string& root_;
  const Environment& environment_;
  std::optional<std::vector<Secret>> identities_;
  std::string places_;
};

}  // namespace

std::vector<Answer> SopsBackend::resolve(const std::vector<Reference>& references,
                                         std::chrono::steady_clock::time_point /*deadline*/) {
  std::vector<Answer> answers;
  std::map<std::string, std::vector<std::size_t>> files;
  std::vector<Target> targets(references.size());
  for (std::size_t i = 0; i < references.size(); ++i) {
    answers.emplace_back(
        Failed{Failure::kInvalidReference, "it names no key of a SOPS file", kForm});
    if (std::optional<Target> target = target_of(references[i])) {
      targets[i] = std::move(*target);
      files[targets[i].file].push_back(i);
    }
  }
  Call call(root_, environment_);
  for (const auto& [path, places] : files) {
    std::vector<SopsFile::Wanted> wanted;
    for (const std::size_t place : places) {
      wanted.push_back({targets[place].keys, std::nullopt, "", ""});
    }
    std::string version;
    const std::optional<Failed> failed = call.decrypt(path, wanted, version);
    for (std::size_t i = 0; i < places.size(); ++i) {
      Answer& answer = answers[places[i]];
      if (failed) {
        answer = *failed;
      } else if (wanted[i].value) {
        answer = Value{std::move(*wanted[i].value), version};
      } else {
        answer = Failed{
            Failure::kNotFound, base::printable(path) + ": " + base::printable(wanted[i].problem),
            wanted[i].near.empty() ? "`sops FILE` shows what is there"
                                   : "did you mean \"" + base::printable(wanted[i].near) + "\"?"};
      }
    }
  }
  return answers;
}

}  // namespace agentbox::resolver
