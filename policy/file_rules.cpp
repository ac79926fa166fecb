#include "policy/file_rules.h"

#include <algorithm>
#include <array>
#include <deque>
#include <optional>
#include <unordered_map>

#include "policy/glob.h"

namespace agentbox::policy {

namespace {

enum class Kind { kHide, kRedact, kShow, kReadonly, kCredential, kKey, kLink, kHead };

struct Rule {
  Glob glob;
  Pattern pattern;
  Kind kind;
  int layer;
  Case folding;  // a rule that hides must not be got round by writing ".ENV"
  LinkFile link = LinkFile::kNone;
};

struct Hash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>{}(text);
  }
};
using Table = std::unordered_map<std::string, std::vector<const Rule*>, Hash, std::equal_to<>>;

std::string lowered(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return lower;
}

// The strongest rule of each kind that matches one component or, for "dir/**", holds below it.
struct Found {
  const Rule* hide = nullptr;
  const Rule* redact = nullptr;
  const Rule* show = nullptr;
  const Rule* readonly = nullptr;
  const Rule* credential = nullptr;
  const Rule* link = nullptr;

  static void take(const Rule*& best, const Rule& rule) {
    if (best == nullptr || rule.layer > best->layer) {
      best = &rule;
    }
  }

  void add(const Rule& rule) {
    switch (rule.kind) {
      case Kind::kHide:
      case Kind::kKey:
        return take(hide, rule);
      case Kind::kRedact:
        return take(redact, rule);
      case Kind::kShow:
        return take(show, rule);
      case Kind::kReadonly:
      case Kind::kHead:
        return take(readonly, rule);
      case Kind::kCredential:
        return take(credential, rule);
      case Kind::kLink:
        return take(link, rule);
    }
  }

  bool empty() const {
    return hide == nullptr && redact == nullptr && show == nullptr && readonly == nullptr &&
           credential == nullptr && link == nullptr;
  }

  void add(const Found& other) {
    for (const Rule* rule :
         {other.hide, other.redact, other.show, other.readonly, other.credential, other.link}) {
      if (rule != nullptr) {
        add(*rule);
      }
    }
  }
};

int layer_of(const Rule* rule) { return rule == nullptr ? -1 : rule->layer; }

// An ending with its dot, as vim names its swap files.
bool is_swap(std::string_view ending) {
  return ending.size() == 4 && ending.substr(0, 3) == ".sw" &&
         std::string_view("ponx").find(ending[3]) != std::string_view::npos;
}

bool is_copy(std::string_view ending) {
  constexpr std::string_view kEndings[] = {".bak",  ".backup", ".old",  ".orig", ".save",
                                           ".copy", ".tmp",    ".temp", ".new",  ".rej"};
  return std::find(std::begin(kEndings), std::end(kEndings), ending) != std::end(kEndings);
}

// What an editor or a careful person adds to a name when saving a copy, taken off again; `name` is
// lower-case. False if nothing was added. A copy of a hidden file is as secret as the file.
bool undecorate(std::string_view& name) {
  const auto cut = [&](std::size_t front, std::size_t back) {
    name = name.substr(front, name.size() - front - back);
    return true;
  };
  if (name.size() < 3) {
    return false;
  }
  if (name.substr(0, 2) == ".#") {
    return cut(2, 0);
  }
  if (name.front() == '#' && name.back() == '#') {
    return cut(1, 1);
  }
  if (name.back() == '~') {
    return cut(0, 1);
  }
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0 || dot + 1 == name.size()) {
    return false;
  }
  const std::string_view ending = name.substr(dot);
  if (is_swap(ending) || is_copy(ending) ||
      ending.find_first_not_of("0123456789-_", 1) == std::string_view::npos) {
    return cut(0, ending.size());
  }
  return false;
}

}  // namespace

// Rules by the last component of their pattern, so that a name meets only the few that may match.
struct FileRules::Matcher {
  void add(const Pattern& pattern, Kind kind, LinkFile link = LinkFile::kNone) {
    const bool folded = kind == Kind::kHide || kind == Kind::kCredential || kind == Kind::kKey;
    rules.push_back({Glob(pattern), pattern, kind, static_cast<int>(pattern.layer),
                     folded ? Case::kFolded : Case::kExact, link});
    index(rules.back());
  }

  void add(const std::vector<Pattern>& patterns, Kind kind) {
    for (const Pattern& pattern : patterns) {
      add(pattern, kind);
    }
  }

  void index(const Rule& rule) {
    std::string name;
    const std::string text = lowered(rule.glob.last().text());
    if (rule.glob.last().literal(&name)) {
      const std::string key = lowered(name);
      literals[key].push_back(&rule);
      literal_lengths[static_cast<unsigned char>(key.front())] |= length_bit(key);
      return;
    }
    const std::size_t wild = text.find_last_of("*?]");
    const std::size_t dot = text.rfind('.');
    const bool escaped = text.find('\\') != std::string::npos;
    const std::size_t first = text.find_first_of("*?[");
    if (!escaped && dot != std::string::npos && dot > wild) {
      endings[text.substr(dot)].push_back(&rule);
    } else if (!escaped && first > 0) {
      beginnings[static_cast<unsigned char>(text[0])].push_back(&rule);
    } else {
      others.push_back(&rule);
    }
  }

  static std::uint64_t length_bit(std::string_view name) {
    return std::uint64_t{1} << std::min<std::size_t>(name.size(), 63);
  }

  // Calls `visit` with each rule whose last component may match `name`, which is lower-case.
  template <typename Visit>
  void candidates(std::string_view name, const Visit& visit) const {
    const auto visit_all = [&](const Table& table, std::string_view key) {
      if (const auto entry = table.find(key); entry != table.end()) {
        std::for_each(entry->second.begin(), entry->second.end(), visit);
      }
    };
    if ((literal_lengths[static_cast<unsigned char>(name.front())] & length_bit(name)) != 0) {
      visit_all(literals, name);
    }
    if (const std::size_t dot = name.rfind('.'); dot != std::string_view::npos) {
      visit_all(endings, name.substr(dot));
    }
    const auto& begin_alike = beginnings[static_cast<unsigned char>(name.front())];
    std::for_each(begin_alike.begin(), begin_alike.end(), visit);
    std::for_each(others.begin(), others.end(), visit);
  }

  FileDecision judge(std::vector<std::string_view>& components, std::size_t count, bool directory,
                     Found& inherited) const;

  struct Match {
    Found own;    // of the component itself
    Found below;  // of everything below it
  };

  static bool applies(const Rule& rule, std::string_view name, bool directory) {
    switch (rule.kind) {
      case Kind::kKey:
        return !directory && name.find('.') == std::string_view::npos;
      case Kind::kLink:
      case Kind::kHead:
      case Kind::kCredential:
        return !directory;
      default:
        return directory || !(rule.glob.directories_only() || rule.glob.below_only());
    }
  }

  // Whether the last component stands where git itself keeps a file of that name: in a git
  // directory, or in those below it that are for its branches, worktrees and submodules.
  bool in_git_directory(const std::vector<std::string_view>& components, std::size_t count) const {
    std::string path;
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view name = i == 0 ? std::string_view() : components[i - 1];
      path += i < 2 ? "" : "/";
      path += name;
      const bool own = name == ".git" || std::find(git_directories.begin(), git_directories.end(),
                                                   path) != git_directories.end();
      const bool bare = name.size() > 4 && name.substr(name.size() - 4) == ".git";
      if (!own && !bare) {
        continue;
      }
      const std::string_view next = components[i];
      if (i + 1 == count || next == "refs" || next == "logs" || next == "worktrees" ||
          (own && next == "modules")) {
        return true;
      }
    }
    return false;
  }

  Match match(std::vector<std::string_view>& components, std::size_t count, bool directory) const {
    Match result;
    const std::string_view written = components[count - 1];
    std::array<char, 256> buffer;
    std::string large;
    std::string_view name;
    if (written.size() <= buffer.size()) {
      std::transform(written.begin(), written.end(), buffer.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      });
      name = std::string_view(buffer.data(), written.size());
    } else {
      large = lowered(written);
      name = large;
    }
    candidates(name, [&](const Rule* rule) {
      if (applies(*rule, written, directory) &&
          rule->glob.matches(components, count, rule->folding) &&
          (rule->kind != Kind::kHead || !in_git_directory(components, count))) {
        (rule->glob.below_only() ? result.below : result.own).add(*rule);
      }
    });
    const std::string_view swap =
        name.size() > 4 && is_swap(name.substr(name.size() - 4)) ? name : std::string_view();
    while (undecorate(name)) {
      add_copied(name, components, count, directory, result.own);
      if (!swap.empty() && name.size() > 1 && name.front() == '.') {
        add_copied(name.substr(1), components, count, directory, result.own);
      }
    }
    components[count - 1] = written;
    return result;
  }

  // The rules that hide the file of which this is a copy hide it as well.
  void add_copied(std::string_view original, std::vector<std::string_view>& components,
                  std::size_t count, bool directory, Found& found) const {
    components[count - 1] = original;
    candidates(original, [&](const Rule* rule) {
      const bool hides = rule->kind == Kind::kHide || rule->kind == Kind::kKey;
      if (hides && !rule->glob.below_only() && applies(*rule, original, directory) &&
          rule->glob.matches(components, count, rule->folding)) {
        found.add(*rule);
      }
    });
  }

  std::deque<Rule> rules;  // a deque: the tables and FileDecision point into it
  Table literals;
  std::array<std::uint64_t, 256> literal_lengths{};  // by first byte: spares most names the table
  Table endings;
  std::array<std::vector<const Rule*>, 256> beginnings;
  std::vector<const Rule*> others;
  std::vector<std::string> git_directories;
};

FileRules::FileRules(const Policy& policy) {
  auto matcher = std::make_unique<Matcher>();
  matcher->add(policy.files.hide, Kind::kHide);
  matcher->add(policy.files.redact, Kind::kRedact);
  matcher->add(policy.files.show, Kind::kShow);
  matcher->add(policy.files.readonly, Kind::kReadonly);
  matcher->add(policy.credential_files, Kind::kCredential);
  matcher->add(policy.key_files, Kind::kKey);
  for (const LinkRule& rule : policy.link_files) {
    matcher->add(rule.pattern, Kind::kLink, rule.kind);
  }
  matcher->add(policy.head_files, Kind::kHead);
  matcher->git_directories = policy.git_directories;
  matcher_ = std::move(matcher);
}

FileRules::~FileRules() = default;
FileRules::FileRules(FileRules&&) noexcept = default;

namespace {

void split(std::string_view path, std::vector<std::string_view>& components) {
  components.clear();
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (slash > 0) {
      components.push_back(path.substr(0, slash));
    }
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
}

}  // namespace

// `inherited` is what the components above hand down, and then also this one to those below it.
FileDecision FileRules::Matcher::judge(std::vector<std::string_view>& components, std::size_t count,
                                       bool directory, Found& inherited) const {
  const Match match = this->match(components, count, directory);
  Found found = match.own;
  found.add(inherited);
  // A rule against a file gives way to "show" of its own or a later layer only. Redaction and
  // hiding never lift each other: a document that redacts more must not uncover anything.
  FileDecision decision;
  if (layer_of(found.hide) > layer_of(found.show)) {
    const bool shipped = found.hide->layer <= static_cast<int>(Layer::kProfile);
    decision.action = shipped && !directory && found.hide == match.own.hide
                          ? FileAction::kHideUnlessReferences
                          : FileAction::kHide;
    decision.rule = &found.hide->pattern;
    decision.readonly = true;
    decision.readonly_rule = found.readonly == nullptr ? decision.rule : &found.readonly->pattern;
    return decision;
  }
  if (layer_of(found.redact) > layer_of(found.show)) {
    decision.action = FileAction::kRedact;
    decision.rule = &found.redact->pattern;
  } else if (layer_of(found.credential) > layer_of(found.show)) {
    decision.action = FileAction::kHideIfCredential;
    decision.rule = &found.credential->pattern;
  } else if (found.show != nullptr) {
    decision.rule = &found.show->pattern;
  }
  const Rule* readonly = found.readonly;
  if (readonly == nullptr && decision.action == FileAction::kRedact) {
    readonly = found.redact;
  }
  if (readonly == nullptr && found.link != nullptr) {
    readonly = found.link;
    decision.link = found.link->link;
  }
  decision.readonly = readonly != nullptr;
  decision.readonly_rule = readonly == nullptr ? nullptr : &readonly->pattern;
  // Redaction and read-only hold for all below; "show" of a directory speaks of it alone.
  if (match.own.redact != nullptr && decision.action == FileAction::kRedact) {
    inherited.add(*match.own.redact);
  }
  if (match.own.readonly != nullptr) {
    inherited.add(*match.own.readonly);
  }
  inherited.add(match.below);
  return decision;
}

FileDecision FileRules::judge(std::string_view path, bool directory) const {
  // Kept by the thread: this runs at every lookup of a tree walk, and allocation would double it.
  static thread_local std::vector<std::string_view> components;
  split(path, components);
  FileDecision decision;
  Found inherited;
  for (std::size_t count = 1; count <= components.size(); ++count) {
    const bool last = count == components.size();
    decision = matcher_->judge(components, count, !last || directory, inherited);
    if (decision.action == FileAction::kHide) {
      break;
    }
  }
  return decision;
}

struct FileRules::Directory::Rest {
  Found inherited;
  std::optional<FileDecision> hidden;  // the directory is, or one above it
};

struct FileRules::Directory::Place {
  // The path's components from `judged` on are still to be judged.
  Place(const Matcher* its_matcher, std::string_view its_path)
      : matcher(its_matcher), path(its_path) {
    split(path, components);
  }

  void judge_from(std::size_t judged, const Handed& above) {
    handed = above;
    Rest rest = above == nullptr ? Rest() : *above;
    for (std::size_t count = judged + 1; count <= components.size() && !rest.hidden; ++count) {
      const FileDecision decision = matcher->judge(components, count, true, rest.inherited);
      if (decision.action == FileAction::kHide) {
        rest.hidden = decision;
      }
    }
    if (rest.hidden || !rest.inherited.empty()) {
      handed = std::make_shared<const Rest>(rest);
    }
  }

  const Matcher* const matcher;
  const std::string path;
  std::vector<std::string_view> components;  // of `path`
  Handed handed;
};

FileRules::Directory::Directory(const FileRules& rules, std::string_view path,
                                const Handed& above) {
  auto place = std::make_unique<Place>(rules.matcher_.get(), path);
  place->judge_from(place->components.empty() ? 0 : place->components.size() - 1, above);
  place_ = std::move(place);
}

FileRules::Directory::Directory(const FileRules& rules, std::string_view path) {
  auto place = std::make_unique<Place>(rules.matcher_.get(), path);
  place->judge_from(0, nullptr);
  place_ = std::move(place);
}

FileRules::Directory::~Directory() = default;
FileRules::Directory::Directory(Directory&&) noexcept = default;
FileRules::Directory& FileRules::Directory::operator=(Directory&&) noexcept = default;

FileDecision FileRules::Directory::judge(std::string_view name, bool directory) const {
  if (const FileDecision* decision = hidden()) {
    return *decision;
  }
  static thread_local std::vector<std::string_view> components;
  components.assign(place_->components.begin(), place_->components.end());
  components.push_back(name);
  Found inherited = place_->handed == nullptr ? Found() : place_->handed->inherited;
  return place_->matcher->judge(components, components.size(), directory, inherited);
}

const FileDecision* FileRules::Directory::hidden() const {
  return place_->handed != nullptr && place_->handed->hidden ? &*place_->handed->hidden : nullptr;
}

const FileRules::Directory::Handed& FileRules::Directory::handed() const { return place_->handed; }

bool FileRules::reaches_below(std::string_view directory) const {
  std::vector<std::string_view> components;
  split(directory, components);
  const bool in_git = std::any_of(components.begin(), components.end(), [](std::string_view name) {
    return lowered(name).ends_with(".git");
  });
  return in_git ||
         std::any_of(matcher_->rules.begin(), matcher_->rules.end(), [&](const Rule& rule) {
           return rule.glob.reaches_below(components, rule.folding);
         });
}

}  // namespace agentbox::policy
