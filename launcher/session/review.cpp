#include "launcher/session/review.h"

#include <unistd.h>

#include <cstdio>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "launcher/session/paths.h"
#include "launcher/session/recorder.h"

namespace agentbox::session {

namespace {

view::Worktrees worktrees_of(const review::Manifest& manifest) {
  view::Worktrees worktrees = {.git_directory = join(manifest.project, ".git"),
                               .project = manifest.project};
  for (const review::Part& part : manifest.parts) {
    if (!part.prefix.empty()) {
      worktrees.git_directory = part.root;
    }
  }
  return worktrees;
}

RunRequest request_of(const review::Manifest& manifest) {
  RunRequest request;
  request.profiles = manifest.profiles;
  request.policy_file = manifest.policy_file;
  request.scope = manifest.scope;
  request.command = {manifest.command};
  return request;
}

// Where the policy is found, and what a relative path in the request is about.
void enter(const std::string& project) {
  base::check(::chdir(project.c_str()), "enter", base::printable(project));
}

}  // namespace

struct Review::Rules {
  explicit Rules(const review::Manifest& manifest)
      : prepared(request_of(manifest)),
        files(prepared.policy),
        judging{.files = files, .worktrees = worktrees_of(manifest)} {}

  const Prepared prepared;
  const policy::FileRules files;
  const review::Judging judging;
};

std::string review_directory() { return base::state_directory() + "/review"; }

review::Manifest review_manifest(const Prepared& prepared, const RunRequest& request,
                                 const std::string& id, std::vector<review::Part> parts) {
  review::Manifest manifest;
  manifest.id = id;
  manifest.project = prepared.project.root;
  manifest.command = request.command.front();
  manifest.scope = request.scope;
  manifest.policy = prepared.policy.hash;
  manifest.profiles = request.profiles;
  manifest.parts = std::move(parts);
  if (!request.policy_file.empty()) {
    manifest.policy_file = request.policy_file.front() == '/'
                               ? request.policy_file
                               : join(current_directory(), request.policy_file);
  }
  return manifest;
}

void end_layer(review::Layer& layer, const policy::FileRules& files, bool quiet) noexcept {
  const bool tell = !quiet && ::isatty(STDERR_FILENO) == 1;
  try {
    layer.mark_ended();
    const review::Judging judging = {.files = files, .worktrees = worktrees_of(layer.manifest())};
    const std::size_t count = review::changes_of(layer, judging).size();
    if (count == 0) {
      layer.remove();
    } else if (tell) {
      std::fprintf(stderr, "agentbox: %zu change%s for you to review: agentbox review\n", count,
                   count == 1 ? " waits" : "s wait");
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "agentbox: the layer of this session is kept: %s\n", error.what());
    std::fprintf(stderr, "  next: agentbox review\n");
  }
}

Review::Review(const std::string& id) : layer_(review::Layer::open(review_directory(), id)) {
  if (!layer_.manifest().parts.empty()) {
    enter(layer_.manifest().project);
    rules_ = std::make_unique<Rules>(layer_.manifest());
    refresh();
  }
}

Review::~Review() = default;

void Review::refresh() { changes_ = review::changes_of(layer_, rules_->judging); }

void Review::record(const char* outcome, std::size_t changes) const {
  const RunRequest request = request_of(layer_.manifest());
  audit::Record common = common_record(rules_->prepared, request, first_place(request.scope));
  common.session = layer_.manifest().id;
  Recorder recorder(base::state_directory() + "/audit", common);
  audit::Record record;
  record.event = "review";
  record.subject = layer_.manifest().project;
  record.outcome = outcome;
  record.reason = std::to_string(changes) + (changes == 1 ? " change" : " changes");
  recorder.write(std::move(record));
  recorder.sync();
}

}  // namespace agentbox::session
