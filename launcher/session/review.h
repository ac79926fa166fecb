// The layers of sessions with --review: where they are, and under which rules they are applied.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "launcher/review/apply.h"
#include "launcher/review/changes.h"
#include "launcher/review/layer.h"
#include "launcher/session/prepared.h"
#include "policy/file_rules.h"

namespace agentbox::session {

// Where all layers are.
std::string review_directory();

// What a session notes down about itself in its layer.
review::Manifest review_manifest(const Prepared& prepared, const RunRequest& request,
                                 const std::string& id, std::vector<review::Part> parts);

// The end of a session with a layer: removes one in which nothing changed, says otherwise on a
// terminal what to type next. Never throws: what a box has made is not lost for want of a look.
void end_layer(review::Layer& layer, const policy::FileRules& files, bool quiet) noexcept;

// A layer that nobody else uses, and what it would change, judged by the policy that the session's
// options give today: what became read-only or hidden since is not applied. Changes the working
// directory to the project. Throws base::Error, also where that policy is not trusted (any more).
class Review {
 public:
  explicit Review(const std::string& id);
  ~Review();

  review::Layer& layer() { return layer_; }
  const std::vector<review::Change>& changes() const { return changes_; }
  // Looks again.
  void refresh();
  // A record on the audit log. Throws base::Error if it cannot be made.
  void record(const char* outcome, std::size_t changes) const;

 private:
  struct Rules;
  review::Layer layer_;
  std::unique_ptr<Rules> rules_;
  std::vector<review::Change> changes_;
};

}  // namespace agentbox::session
