#include "launcher/view/judge.h"

#include "launcher/view/index_files.h"

namespace agentbox::view {
namespace {

// A box that makes up hidden names must not fill the supervisor's memory or the log.
constexpr std::size_t kMostTouches = 10'000;
constexpr std::string_view kGitFile = ".git";

std::string prefixed(const std::string& prefix, std::string_view path) {
  std::string whole = prefix;
  if (!path.empty()) {
    whole += '/';
    whole += path;
  }
  return whole;
}

}  // namespace

Verdict Judge::judge(std::string_view path, bool directory) const {
  Verdict verdict;
  if (config_.home != nullptr) {
    switch (config_.home->judge(path)) {
      case policy::HomeAccess::kScratch:
        verdict.place = Verdict::Place::kPrivate;
        return verdict;
      case policy::HomeAccess::kAncestor:
        verdict.place = Verdict::Place::kAncestor;
        return verdict;
      case policy::HomeAccess::kRead:
        verdict.readonly = true;
        break;
      case policy::HomeAccess::kWrite:
        break;
    }
  }
  if (config_.files == nullptr) {
    return verdict;
  }
  const policy::FileDecision decision =
      config_.prefix.empty() ? config_.files->judge(path, directory)
                             : config_.files->judge(prefixed(config_.prefix, path), directory);
  switch (decision.action) {
    case policy::FileAction::kShow:
      break;
    case policy::FileAction::kHideUnlessReferences:
      verdict.unless_references = !directory;
      [[fallthrough]];
    case policy::FileAction::kHide:
      verdict.content = Content::kHidden;
      break;
    case policy::FileAction::kHideIfCredential:
      verdict.content = directory ? Content::kPlain : Content::kCredential;
      break;
    case policy::FileAction::kRedact:
      verdict.content = directory ? Content::kPlain : Content::kRedacted;
      break;
  }
  // The project's own ".git" says which repository all this is.
  const bool own = config_.prefix.empty() && path == kGitFile;
  if (verdict.content == Content::kPlain && !verdict.readonly && !own &&
      !config_.worktrees.git_directory.empty()) {
    verdict.link = decision.link;
  }
  // A hidden name alone does not keep the box from a file of its own (own_files.h).
  const bool hidden_only =
      verdict.content == Content::kHidden && decision.readonly_rule == decision.rule;
  verdict.readonly |= (decision.readonly && !hidden_only) || verdict.content == Content::kRedacted;
  verdict.rule = verdict.content == Content::kPlain ? decision.readonly_rule : decision.rule;
  if (verdict.content == Content::kPlain && !directory && path.ends_with("index") &&
      (config_.prefix.empty() ? is_git_index(path)
                              : is_git_index(prefixed(config_.prefix, path)))) {
    verdict.content = Content::kGitIndex;
  }
  if (!directory && verdict.content == Content::kPlain && config_.hidden_names &&
      config_.hidden_names->hides(path)) {
    verdict.content = Content::kHidden;
  }
  return verdict;
}

bool Judge::reaches_below(std::string_view directory) const {
  if (config_.hidden_names && config_.hidden_names->reaches_below(directory)) {
    return true;
  }
  return config_.files != nullptr &&
         (config_.prefix.empty()
              ? config_.files->reaches_below(directory)
              : config_.files->reaches_below(prefixed(config_.prefix, directory)));
}

void Judge::touched(Touch::Kind kind, const std::string& path, const policy::Pattern* rule,
                    std::string_view what) {
  if (!config_.touched) {
    return;
  }
  const bool each = kind == Touch::Kind::kWriteMasked || kind == Touch::Kind::kWriteDenied;
  {
    const std::lock_guard lock(mutex_);
    if (seen_.size() >= kMostTouches ||
        !seen_
             .insert(std::to_string(static_cast<int>(kind)) + path + (each ? "\n" : "") +
                     (each ? std::string(what) : std::string()))
             .second) {
      return;
    }
  }
  config_.touched({kind, path, rule, std::string(what)});
}

}  // namespace agentbox::view
