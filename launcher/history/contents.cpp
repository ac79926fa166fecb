#include "launcher/history/contents.h"

#include <strings.h>

#include <algorithm>
#include <charconv>
#include <exception>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "policy/detector.h"

namespace agentbox::history {

namespace {

using policy::FileAction;

constexpr std::size_t kWindow = 1 << 20;              // bytes searched at once
constexpr std::size_t kLargestConditional = 1 << 16;  // judged by content; larger counts as hidden

const char* name_of(ObjectType type) {
  switch (type) {
    case ObjectType::kCommit:
      return "commit";
    case ObjectType::kTree:
      return "tree";
    case ObjectType::kTag:
      return "tag";
    case ObjectType::kBlob:
      break;
  }
  return "blob";
}

std::optional<ObjectType> type_of(std::string_view name) {
  for (const ObjectType type :
       {ObjectType::kCommit, ObjectType::kTree, ObjectType::kBlob, ObjectType::kTag}) {
    if (name == name_of(type)) {
      return type;
    }
  }
  return std::nullopt;
}

// "ID TYPE SIZE", or "ID missing" (git-cat-file(1), "BATCH OUTPUT").
std::optional<Object> parse_header(std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = line.find(' ', first + 1);
  if (first == std::string_view::npos || second == std::string_view::npos) {
    return std::nullopt;
  }
  const std::optional<ObjectId> id = ObjectId::parse(line.substr(0, first));
  const std::optional<ObjectType> type = type_of(line.substr(first + 1, second - first - 1));
  std::uint64_t size = 0;
  const char* const end = line.data() + line.size();
  if (!id || !type || std::from_chars(line.data() + second + 1, end, size).ptr != end) {
    return std::nullopt;
  }
  return Object{.id = *id, .type = *type, .size = size};
}

[[noreturn]] void throw_unreadable(const ObjectId& id) {
  throw base::Error(base::Status::kFailed, "git could not read its object " + id.hex(),
                    "`git fsck` tells what is wrong with the repository");
}

// One thread's part of a search.
class Searcher {
 public:
  Searcher(const Git& git, std::span<const Object> objects, const Contents& contents)
      : objects_(objects), contents_(contents), process_(start(git, objects)), window_(kWindow) {}
  ~Searcher() { ::explicit_bzero(window_.data(), window_.size()); }
  Searcher(const Searcher&) = delete;
  Searcher& operator=(const Searcher&) = delete;

  std::vector<Secret> run() {
    std::string line;
    for (const Object& object : objects_) {
      const bool read = process_.next(line);
      const std::optional<Object> header = read ? parse_header(line) : std::nullopt;
      if (!header || header->id != object.id) {
        throw_unreadable(object.id);
      }
      look_at(*header);
      char end = 0;
      if (process_.read(&end, 1) != 1 || end != '\n') {
        throw_unreadable(object.id);
      }
      if (contents_.progress != nullptr) {
        ++*contents_.progress;
      }
    }
    process_.require();
    return std::move(secrets_);
  }

 private:
  static GitProcess start(const Git& git, std::span<const Object> objects) {
    std::string input;
    input.reserve(objects.size() * 41);
    for (const Object& object : objects) {
      input += object.id.hex();
      input += '\n';
    }
    return git.start({"cat-file", "--batch", "--buffer"}, input_of(input));
  }

  void look_at(const Object& object) {
    const Name* name =
        object.type == ObjectType::kBlob ? contents_.names->find(object.id) : nullptr;
    const std::size_t first = secrets_.size();
    std::uint64_t left = object.size;
    std::size_t held = 0;      // bytes in the window
    std::uint64_t before = 0;  // bytes of the object before the window
    std::uint64_t line = 1;    // of the window's first byte
    std::uint64_t told = 0;    // up to where findings are told
    bool hidden = false;
    do {
      const std::size_t wanted = std::min<std::uint64_t>(left, window_.size() - held);
      if (process_.read(window_.data() + held, wanted) != wanted) {
        throw_unreadable(object.id);
      }
      left -= wanted;
      held += wanted;
      const std::string_view text(window_.data(), held);
      if (before == 0) {
        hidden =
            name != nullptr && object.size > 0 && hides(name->verdict->file, text, object.size);
      }
      if (!hidden && (name == nullptr || name->verdict->searched)) {
        find(text, name, before, line, told, first);
      }
      if (left > 0) {  // what a finding that does not end here may need
        const std::size_t gone = held - policy::Detector::kReach;
        line += static_cast<std::uint64_t>(std::count(text.begin(), text.begin() + gone, '\n'));
        std::copy(window_.begin() + static_cast<std::ptrdiff_t>(gone),
                  window_.begin() + static_cast<std::ptrdiff_t>(held), window_.begin());
        held -= gone;
        before += gone;
      }
    } while (left > 0);
    if (hidden) {
      secrets_.push_back(
          {.kind = kHiddenFile,
           .title = name->verdict->file.rule == nullptr ? "" : name->verdict->file.rule->text});
    }
    for (std::size_t i = first; i < secrets_.size(); ++i) {
      Secret& secret = secrets_[i];
      secret.object = object.id.hex();
      secret.type = name_of(object.type);
      if (name != nullptr) {
        secret.path = *name->path;
        secret.commit = name->commit.null() ? "" : name->commit.hex();
      }
    }
  }

  static bool hides(const policy::FileDecision& decision, std::string_view text,
                    std::uint64_t size) {
    switch (decision.action) {
      case FileAction::kShow:
        return false;
      case FileAction::kHideIfCredential:
        return size > kLargestConditional || policy::holds_credential(text);
      case FileAction::kHideUnlessReferences:
        return size > kLargestConditional || !policy::holds_only_references(text);
      case FileAction::kHide:
      case FileAction::kRedact:
        break;
    }
    return true;
  }

  // Adds to the secrets from `first` on, which are this object's, one a kind.
  void find(std::string_view text, const Name* name, std::uint64_t before, std::uint64_t line,
            std::uint64_t& told, std::size_t first) {
    findings_.clear();
    policy::Detector::shipped().find(text, name == nullptr ? "" : *name->path, findings_);
    std::size_t counted = 0;
    for (const policy::Finding& finding : findings_) {
      if (before + finding.offset < told) {
        continue;
      }
      told = before + finding.offset + finding.length;
      const auto same =
          std::find_if(secrets_.begin() + static_cast<std::ptrdiff_t>(first), secrets_.end(),
                       [&](const Secret& secret) { return secret.kind == finding.kind->id; });
      if (same != secrets_.end()) {
        ++same->count;
        continue;
      }
      line += static_cast<std::uint64_t>(
          std::count(text.begin() + static_cast<std::ptrdiff_t>(counted),
                     text.begin() + static_cast<std::ptrdiff_t>(finding.offset), '\n'));
      counted = finding.offset;
      secrets_.push_back({.kind = std::string(finding.kind->id),
                          .title = std::string(finding.kind->title),
                          .line = line});
    }
  }

  const std::span<const Object> objects_;
  const Contents& contents_;
  GitProcess process_;
  std::vector<char> window_;
  std::vector<policy::Finding> findings_;
  std::vector<Secret> secrets_;
};

// Neighbours stay together: git reads them from one part of a pack.
std::vector<std::span<const Object>> parts_of(std::span<const Object> objects, unsigned parts) {
  std::uint64_t whole = 0;
  for (const Object& object : objects) {
    whole += object.size + 1;
  }
  std::vector<std::span<const Object>> list;
  std::size_t begin = 0;
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    size += objects[i].size + 1;
    if (size * parts >= whole * (list.size() + 1) || i + 1 == objects.size()) {
      list.push_back(objects.subspan(begin, i + 1 - begin));
      begin = i + 1;
    }
  }
  return list;
}

}  // namespace

std::vector<Object> describe(const Git& git, std::span<const ObjectId> ids) {
  std::string input;
  input.reserve(ids.size() * 41);
  for (const ObjectId& id : ids) {
    input += id.hex();
    input += '\n';
  }
  GitProcess process = git.start({"cat-file", "--batch-check", "--buffer"}, input_of(input));
  std::vector<Object> objects;
  objects.reserve(ids.size());
  std::string line;
  while (process.next(line)) {
    if (const std::optional<Object> object = parse_header(line)) {
      objects.push_back(*object);
    }
  }
  process.require();
  return objects;
}

std::vector<Secret> search(const Git& git, std::span<const Object> objects,
                           const Contents& contents) {
  std::vector<Secret> secrets;
  std::mutex mutex;
  std::exception_ptr failure;
  std::vector<std::jthread> threads;
  for (const std::span<const Object> part : parts_of(objects, std::max(contents.threads, 1u))) {
    threads.emplace_back([&, part] {
      try {
        std::vector<Secret> found = Searcher(git, part, contents).run();
        const std::lock_guard lock(mutex);
        std::move(found.begin(), found.end(), std::back_inserter(secrets));
      } catch (...) {
        const std::lock_guard lock(mutex);
        failure = std::current_exception();
      }
    });
  }
  threads.clear();
  if (failure) {
    std::rethrow_exception(failure);
  }
  return secrets;
}

}  // namespace agentbox::history
