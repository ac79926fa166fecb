// Which files a box may see. Pure and immutable after construction, so any thread may ask.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "policy/policy.h"

namespace agentbox::policy {

enum class FileAction {
  kShow,
  kHide,              // ENOENT, not listed
  kHideIfCredential,  // by name a file that often holds one (.npmrc): holds_credential() decides
  // A regular file of a name that the floor or a profile hides: shown, read-only, if
  // holds_only_references() says that there is nothing to hide in it.
  kHideUnlessReferences,
  kRedact,  // same length, value bytes replaced, read-only
};

struct FileDecision {
  FileAction action = FileAction::kShow;
  bool readonly = false;
  const Pattern* rule = nullptr;           // what decided the action; null for the default (show)
  const Pattern* readonly_rule = nullptr;  // what is hidden is read-only by `rule`, if by no other
  // Not kNone: read-only for no other reason than that it leads git elsewhere.
  LinkFile link = LinkFile::kNone;
};

// Rules for paths below one root (the project). `path` is relative, without "." or "..", any
// bytes; "" is the root. A directory that is hidden hides all below it.
class FileRules {
 public:
  explicit FileRules(const Policy& policy);
  ~FileRules();
  FileRules(FileRules&&) noexcept;

  FileDecision judge(std::string_view path, bool directory) const;

  // Whether what lies below this directory is judged by the directory's own name or place
  // ("config/*.yaml" and "config", "**/.git/hooks" and any ".git"; all that is in a git directory).
  // Such a directory must not be renamed, nor another to its name: whatever is put into it at the
  // same moment, perhaps by another session, would change its rights on the way.
  bool reaches_below(std::string_view directory) const;

  // A directory met on a way down the tree. Judges the names in it without judging the directories
  // above it again for each. Any thread may ask; the rules must outlive it.
  class Directory;

 private:
  struct Matcher;
  std::unique_ptr<const Matcher> matcher_;
};

class FileRules::Directory {
 public:
  // What a directory and those above it say of all below it: little, so that it can be kept for
  // each of many directories. Null: nothing.
  struct Rest;
  using Handed = std::shared_ptr<const Rest>;

  // `path` as for FileRules::judge(); `above` is handed() of the directory that it is in.
  Directory(const FileRules& rules, std::string_view path, const Handed& above);
  Directory(const FileRules& rules, std::string_view path);
  ~Directory();
  Directory(Directory&&) noexcept;
  Directory& operator=(Directory&&) noexcept;

  // What FileRules::judge() says of the path of that name.
  FileDecision judge(std::string_view name, bool directory) const;
  // The decision that hides this directory and so all below it; null if nothing does.
  const FileDecision* hidden() const;
  const Handed& handed() const;

 private:
  struct Place;
  std::unique_ptr<const Place> place_;
};

enum class HomeAccess {
  kScratch,   // not listed: the box's private home
  kAncestor,  // not listed itself, but something listed lies below
  kRead,
  kWrite,
};

// Rules for paths below the home directory: an allow-list.
class HomeRules {
 public:
  explicit HomeRules(const Policy& policy);
  ~HomeRules();
  HomeRules(HomeRules&&) noexcept;

  HomeAccess judge(std::string_view path) const;

 private:
  struct Matcher;
  std::unique_ptr<const Matcher> matcher_;
};

// Whether text that is a package manager's configuration holds a credential (`_authToken`, `_auth`,
// `_password`, a password in a URL) rather than a reference to a variable. Pure.
bool holds_credential(std::string_view bytes);

// Whether text holds references (`op://…`, `vault://…`, …) and nothing else that could be secret:
// every other value is empty, a number of up to five digits, `true` or `false`, or a reference to a
// variable. False for text without any reference, and for what it cannot read. Pure.
bool holds_only_references(std::string_view bytes);

// The bytes with every value byte replaced by '*': length, line ends, keys and comments' markers
// stay. What is not recognised as a key is taken for a value. Pure.
std::string redact(std::string_view bytes);

}  // namespace agentbox::policy
