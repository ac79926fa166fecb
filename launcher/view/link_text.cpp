#include "launcher/view/link_text.h"

#include <limits.h>

#include <algorithm>

namespace agentbox::view {
namespace {

bool cut_front(std::string_view& text, std::string_view front) {
  const bool starts = text.starts_with(front);
  text.remove_prefix(starts ? front.size() : 0);
  return starts;
}

bool cut_back(std::string_view& text, std::string_view back) {
  const bool ends = text.ends_with(back);
  text.remove_suffix(ends ? back.size() : 0);
  return ends;
}

bool is_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos;
}

bool is_plain_path(std::string_view path) {
  while (path.find('/') != std::string_view::npos) {
    if (!is_name(path.substr(0, path.find('/')))) {
      return false;
    }
    path.remove_prefix(path.find('/') + 1);
  }
  return is_name(path);
}

}  // namespace

bool is_link_text(policy::LinkFile kind, std::string_view text, const Worktrees& worktrees) {
  // Control characters: git ends a path at NUL, and drops "\r" at the end of a line.
  const auto control = [](unsigned char c) { return c < 0x20 || c == 0x7f; };
  if (worktrees.git_directory.empty() || text.size() > PATH_MAX || !cut_back(text, "\n") ||
      std::any_of(text.begin(), text.end(), control)) {
    return false;
  }
  switch (kind) {
    case policy::LinkFile::kNone:
      return false;
    case policy::LinkFile::kGitFile:
      return cut_front(text, "gitdir: ") && cut_front(text, worktrees.git_directory) &&
             cut_front(text, "/worktrees/") && is_name(text);
    case policy::LinkFile::kCommonDirectory:
      return text == "../..";
    case policy::LinkFile::kBackLink:
      return cut_front(text, worktrees.project) && cut_front(text, "/") &&
             cut_back(text, "/.git") && is_plain_path(text);
  }
  return false;
}

}  // namespace agentbox::view
