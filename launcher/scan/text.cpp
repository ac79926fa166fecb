#include <string.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/encode.h"
#include "launcher/scan/formats.h"

namespace agentbox::scan {

namespace {

constexpr std::size_t kWidth = 44;  // of the first column

const char* for_people(GitState state) {
  switch (state) {
    case GitState::kNone:
      return "";
    case GitState::kUnknown:
      return "git could not be asked";
    case GitState::kIgnored:
      return "ignored by git";
    case GitState::kUntracked:
      return "NOT ignored by git";
    case GitState::kTracked:
      return "IN GIT";
  }
  return "";
}

std::string count(std::size_t number, const char* one, const char* many) {
  const std::string digits = std::to_string(number);
  std::string text;
  for (std::size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) {
      text += ',';
    }
    text += digits[i];
  }
  return text + " " + (number == 1 ? one : many);
}

// A word of a shell's command line.
std::string quoted(const std::string& text) {
  const auto plain = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-._/@+,:").find(c) != std::string_view::npos;
  };
  if (!text.empty() && std::all_of(text.begin(), text.end(), plain)) {
    return text;
  }
  std::string word = "'";
  for (const char c : text) {
    c == '\'' ? word += "'\\''" : word += c;
  }
  return word + "'";
}

class Text {
 public:
  explicit Text(const TextOptions& options) : options_(options) {}

  void heading(const char* colour, const std::string& text) {
    text_ += text_.empty() ? "" : "\n";
    text_ += options_.coloured ? std::string(colour) + text + "\x1b[0m\n" : text + "\n";
    lines_ = left_out_ = 0;
  }
  // A name and what is said of it.
  void line(const std::string& name, const std::string& first, const std::string& second = {}) {
    if (++lines_ > options_.most) {
      ++left_out_;
      return;
    }
    std::string text = "  " + base::printable(name);
    for (const std::string* more : {&first, &second}) {
      if (!more->empty()) {
        const std::size_t width = more == &first ? kWidth : 2 * kWidth - 8;
        text.append(text.size() < width ? width - text.size() : 2, ' ');
        text += base::printable(*more);
      }
    }
    text_ += text + "\n";
  }
  void end_list() {
    if (left_out_ > 0) {
      text_ += "  … and " + count(left_out_, "more", "more") + " (--json lists all)\n";
    }
  }
  void say(const std::string& text) { text_ += text + "\n"; }
  bool has_room() const { return left_out_ == 0; }
  std::string take() { return std::move(text_); }

 private:
  const TextOptions& options_;
  std::string text_;
  std::size_t lines_ = 0, left_out_ = 0;
};

constexpr const char* kRed = "\x1b[1;31m";
constexpr const char* kYellow = "\x1b[1;33m";
constexpr const char* kBold = "\x1b[1m";

std::string why(const Hidden& hidden) {
  switch (hidden.why) {
    case Hidden::Why::kName:
      return hidden.rule.text + " (" + hidden.rule.place + ")";
    case Hidden::Why::kCredential:
      return "holds a credential: " + hidden.rule.text;
    case Hidden::Why::kHardLink:
      return "the same file as " + hidden.link_of;
  }
  return {};
}

// How many files each hidden directory holds follows it at once in the sorted list.
void add_hidden(const Report& report, Text& text) {
  const auto listed = [](const Hidden& hidden) { return !hidden.below_hidden; };
  const auto number =
      static_cast<std::size_t>(std::count_if(report.hidden.begin(), report.hidden.end(), listed));
  if (number == 0) {
    return;
  }
  text.heading(kBold, "Hidden: these do not exist in a box (" + std::to_string(number) + ")");
  for (const Hidden& hidden : report.hidden) {
    if (listed(hidden)) {
      text.line(hidden.path + (hidden.directory ? "/" : ""), why(hidden),
                in_git(hidden.git) && !hidden.holds_secret
                    ? "in git or not ignored, holds no secret"
                    : for_people(hidden.git));
    }
  }
  text.end_list();
}

const char* for_people(policy::Detect action) {
  switch (action) {
    case policy::Detect::kDeny:
      return "denied";
    case policy::Detect::kRedact:
      return "redacted";
    case policy::Detect::kReport:
    case policy::Detect::kOff:
      break;
  }
  return "READ BY A BOX";
}

// Those that go furthest first: in git, not ignored, the rest.
std::vector<const Finding*> by_reach(const Report& report) {
  std::vector<const Finding*> list;
  for (const Finding& finding : report.findings) {
    list.push_back(&finding);
  }
  std::stable_sort(list.begin(), list.end(),
                   [](const Finding* a, const Finding* b) { return a->git > b->git; });
  return list;
}

void add_findings(const Report& report, Text& text) {
  if (report.findings.empty()) {
    return;
  }
  text.heading(kRed,
               "Secrets in files that a box sees (" + std::to_string(report.findings.size()) + ")");
  for (const Finding* const one : by_reach(report)) {
    const Finding& finding = *one;
    std::string what = for_people(finding.action);
    const std::string git = for_people(finding.git);
    what += (git.empty() ? "" : ", ") + git;
    text.line(
        finding.path + ":" + std::to_string(finding.line) + ":" + std::to_string(finding.column),
        finding.title + " (" + finding.kind + ")" +
            (finding.copy_of.empty() ? "" : ", also in " + finding.copy_of),
        what);
  }
  text.end_list();
  if (report.unlisted_findings > 0) {
    text.say("  … and " + count(report.unlisted_findings, "more", "more") +
             " in files that are full of them");
  }
}

void add_in_git(const Report& report, Text& text) {
  if (report.in_git.empty()) {
    return;
  }
  text.heading(kRed, "Secret files that git has, or takes with the next `git add` (" +
                         std::to_string(report.in_git.size()) + ")");
  for (const InGit& file : report.in_git) {
    const bool tracked = file.state == GitState::kTracked;
    text.line(file.path, tracked ? "in git" : "not ignored",
              file.ignore_file + ":  " + file.ignore_line);
  }
  text.end_list();
}

void add_failures(const Report& report, Text& text) {
  if (report.unreadable.empty() && report.git_failures.empty()) {
    return;
  }
  text.heading(kYellow, "Could not be read: what is in there is not known");
  for (const Unreadable& unreadable : report.unreadable) {
    text.line(unreadable.path, ::strerror(unreadable.error));
  }
  text.end_list();
  for (const GitFailure& failure : report.git_failures) {
    text.say("  git in " + base::printable(failure.path.empty() ? "." : failure.path) + ": " +
             failure.why);
    if (!failure.hint.empty()) {
      text.say("    next: " + failure.hint);
    }
  }
}

// What to type next, for the first of the files.
void add_next(const Report& report, Text& text) {
  for (const InGit& file : report.in_git) {
    if (file.state == GitState::kTracked) {
      const std::string below =
          file.path.substr(file.repository.empty() ? 0 : file.repository.size() + 1);
      text.say("  next: git" +
               (file.repository.empty() ? "" : " -C " + base::printable(quoted(file.repository))) +
               " rm --cached -- " + base::printable(quoted(below)) +
               ", add the line to its .gitignore, and change the secret: it stays in the history");
      return;
    }
  }
  if (!report.in_git.empty()) {
    text.say("  next: add the lines to the .gitignore files");
  } else if (!report.findings.empty()) {
    text.say("  next: move the secret out of " + base::printable(by_reach(report).front()->path) +
             ", and let the policy's \"secrets\" name where it is; or files.detect, if it is none");
  }
}

}  // namespace

std::string to_text(const Report& report, const TextOptions& options) {
  Text text(options);
  if (!report.trusted) {
    text.heading(kYellow,
                 "This repository's policy would widen what a box may do and is not trusted: "
                 "it was left out");
    text.say("  next: agentbox trust");
  }
  add_hidden(report, text);
  if (!report.redacted.empty()) {
    text.heading(kBold,
                 "Redacted as a whole, by name (" + std::to_string(report.redacted.size()) + ")");
    for (const Redacted& redacted : report.redacted) {
      text.line(redacted.path, redacted.rule.text + " (" + redacted.rule.place + ")");
    }
    text.end_list();
  }
  add_findings(report, text);
  add_in_git(report, text);
  add_failures(report, text);
  const auto files = static_cast<std::size_t>(
      std::count_if(report.hidden.begin(), report.hidden.end(),
                    [](const Hidden& hidden) { return !hidden.directory; }));
  char seconds[32];
  std::snprintf(seconds, sizeof seconds, "%.2f s",
                static_cast<double>(report.duration.count()) / 1000);
  text.heading(kBold, count(report.searched, "file", "files") + " searched, " +
                          count(report.bytes >> 20, "MiB", "MiB") + ", in " + seconds + ": " +
                          count(files, "file", "files") + " hidden, " +
                          count(report.findings.size(), "secret", "secrets") + " in others, " +
                          count(report.in_git.size(), "secret file", "secret files") +
                          " in git or not ignored" +
                          (status_of(report) & kIncomplete ? "; not all could be read" : ""));
  if (report.left_out > 0) {
    text.say("  " + count(report.left_out, "file was", "files were") +
             " not searched: files.detect says \"off\"");
  }
  add_next(report, text);
  return text.take();
}

}  // namespace agentbox::scan
