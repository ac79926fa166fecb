// What a scan found. Holds names, places and kinds; never a byte of a secret.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "policy/policy.h"

namespace agentbox::scan {

// The rule that decides, as `agentbox explain` shows it; empty if none names the path.
struct Rule {
  std::string text;
  std::string place;

  static Rule of(const policy::Pattern* pattern) {
    return pattern == nullptr ? Rule() : Rule{pattern->text, pattern->place.text()};
  }
};

// How git sees a file; the later, the further what is in it goes.
enum class GitState {
  kNone,       // in no repository
  kUnknown,    // git could not be asked: Report::git_failures says why
  kIgnored,    // an ignore rule keeps it out
  kUntracked,  // the next `git add` takes it
  kTracked,    // in git's index: committed, or about to be
};

// Whether git has the file, or would take it.
inline bool in_git(GitState state) {
  return state == GitState::kTracked || state == GitState::kUntracked;
}

// Paths are relative to Report::root, any bytes.

// A file or directory that does not exist in a box.
struct Hidden {
  enum class Why { kName, kCredential, kHardLink };

  std::string path;
  bool directory = false;
  Why why = Why::kName;
  Rule rule;
  std::string link_of;        // kHardLink: the file that this is another name of
  bool below_hidden = false;  // in a hidden directory, which is listed as well
  bool holds_secret = false;  // a file with something in it that could be one
  GitState git = GitState::kNone;
};

// A file whose name makes all of it redacted.
struct Redacted {
  std::string path;
  Rule rule;
};

// A secret in a file that a box sees. Lines and columns count from 1, columns in Unicode code
// points; the end is behind the last one.
struct Finding {
  std::string path;
  std::size_t line = 0, column = 0, end_line = 0, end_column = 0;
  std::string kind;   // policy::SecretKind::id, or kKnownValue
  std::string title;  // for people
  policy::Detect action = policy::Detect::kRedact;
  Rule rule;            // that chose the action; empty: the default
  std::string copy_of;  // the hidden file that the value also stands in; empty: none known
  GitState git = GitState::kNone;
};

inline constexpr const char* kKnownValue = "known-value";

// What could not be looked at.
struct Unreadable {
  std::string path;
  int error = 0;  // errno
};

// A secret file that git holds or would take, and how it is kept out.
struct InGit {
  std::string path;
  GitState state = GitState::kTracked;  // or kUntracked
  std::string repository;               // its directory; "" is the root or one above it
  std::string ignore_file;              // where the line belongs: ".gitignore", "sub/.gitignore"
  std::string ignore_line;              // gitignore(5)
};

// Git of the repository in this directory could not be asked.
struct GitFailure {
  std::string path;
  std::string why;
  std::string hint;
};

// Lists are sorted by path.
struct Report {
  std::string root;                // absolute: the project
  std::vector<std::string> paths;  // what of it was asked for; empty: all
  bool trusted = true;             // false: the repository's own policy was left out

  std::vector<Hidden> hidden;
  std::vector<Redacted> redacted;
  std::vector<Finding> findings;  // of one file by place
  std::vector<Unreadable> unreadable;
  std::vector<InGit> in_git;
  std::vector<GitFailure> git_failures;

  std::size_t names = 0;              // files and directories met in the project
  std::size_t searched = 0;           // files whose contents were searched
  std::uint64_t bytes = 0;            // of them
  std::size_t left_out = 0;           // files that `detect` says "off" for
  std::size_t unlisted_findings = 0;  // beyond kMostFindings of one file
  std::chrono::milliseconds duration{0};

  // Of one file; a file full of them needs no list.
  static constexpr std::size_t kMostFindings = 1000;
};

// The exit status: these added up (docs/errors.md).
inline constexpr int kFound = 1;       // a secret in a file that is shown, or a secret file in git
inline constexpr int kIncomplete = 2;  // something could not be read, or git not be asked
int status_of(const Report& report);

}  // namespace agentbox::scan
