// Everything around the command: the plan of its box, and what serves it while it runs.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "launcher/box/box.h"
#include "launcher/egress/egress.h"
#include "launcher/history/filter.h"
#include "launcher/review/layer.h"
#include "launcher/session/commands.h"
#include "launcher/session/filtered_objects.h"
#include "launcher/session/identity.h"
#include "launcher/session/masked_files.h"
#include "launcher/session/project.h"
#include "launcher/session/recorder.h"
#include "launcher/session/released_values.h"
#include "launcher/session/release.h"
#include "launcher/session/secret_search.h"
#include "launcher/session/tier.h"
#include "launcher/view/refused_objects.h"
#include "launcher/view/view.h"
#include "policy/content_rules.h"
#include "policy/file_rules.h"
#include "policy/network_rules.h"
#include "policy/policy.h"

namespace agentbox::session {

// The decisions of one session, made before anything is started. Neither copied nor moved: the
// views and the relay point into it.
struct Decisions {
  Decisions(const policy::Policy& policy, const std::string& scope);

  policy::FileRules files;
  policy::ContentRules contents;
  policy::HomeRules home;
  policy::NetworkRules network;
};

struct WorldOptions {
  bool terminal = false;  // the command gets a PTY
  bool fresh = false;     // the scratch home is a tmpfs, gone with the box
  Tier tier = Tier::kLive;
  HeldPrograms commands = {};  // in whose place the box has agentbox
};

// Owns the views and the network relay of one box. Destroy it after the box.
class World {
 public:
  World(const Identity& identity, const Project& project, const policy::Policy& policy,
        const Decisions& decisions, Recorder& recorder, const WorldOptions& options);

  // What a layer of this session has to cover, and that it shall: call it before the plan is used.
  // The layer must outlive this.
  std::vector<review::Part> parts() const;
  void cover(const review::Layer& layer);
  ~World();

  // What the box does not see of these repositories' objects: call it before the plan is used.
  // Needs the live view. Throws base::Error.
  void filter(std::vector<history::Filtered> repositories);

  // What the box is to be; complete after construction.
  const box::Plan& plan() const { return plan_; }
  // Whether the command will find this absolute path.
  bool shows(const std::string& path) const;
  // Whether agentbox itself is in kProgramDirectory (own_program.h).
  bool shows_own_program() const { return own_program_; }
  // Whether the policy's `commands` are there too.
  bool shows_shims() const { return shims_; }
  // Where a secret's file appears: makes a link there, to the private file, when the views start.
  // Throws Error for a path neither in the home nor in the project.
  void deliver_file(const std::string& name, const std::string& path);
  // Starts serving; needs the descriptors of the box.
  void serve(box::Handles& handles);
  // The last step before the command runs, once the box is ready. With `progress`: what takes long
  // is shown on the terminal.
  void finish(bool progress);
  // When the box is dead: looks at what it left behind. Throws Error if the user must know of it.
  void settle();
  // The values are looked for in what the box reads. Before it has any of them.
  void know(const std::vector<Released>& released);
  // Writes a secret's file into the box's private directory.
  static void write_secret(const box::Handles& handles, const Released& secret);

 private:
  struct Mounted {
    std::string root;  // the real directory, also the mount point
    bool home = false;
    std::string prefix;  // put before paths that the file rules judge
    std::vector<view::Synthetic> synthetic;
    std::optional<std::size_t> overlay = std::nullopt;  // of the plan
    std::shared_ptr<FilteredObjects> filtered = nullptr;
  };

  void add_network();
  view::Config configure(Mounted& mounted, box::Handles& handles);
  void start_search();

  const Identity& identity_;
  const Project& project_;
  const policy::Policy& policy_;
  const Decisions& decisions_;
  Recorder& recorder_;
  box::Plan plan_;
  bool own_program_ = false;
  bool shims_ = false;
  std::vector<Mounted> mounted_;
  std::string git_directory_;  // of which the box may make linked worktrees; empty: of none
  std::vector<base::UniqueFd> replacements_;  // held while the box uses them
  ReleasedValues released_;
  std::unique_ptr<SecretSearch> search_;  // of the views or the masks
  std::mutex views_mutex_;
  const std::shared_ptr<view::RefusedObjects> refused_objects_ =
      std::make_shared<view::RefusedObjects>();
  std::vector<std::unique_ptr<view::View>> views_;
  std::unique_ptr<MaskedFiles> masked_;  // instead of them
  std::unique_ptr<egress::Egress> egress_;
};

}  // namespace agentbox::session
