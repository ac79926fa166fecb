#include "launcher/session/world.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/broker/broker.h"
#include "launcher/session/home.h"
#include "launcher/session/own_program.h"
#include "launcher/session/paths.h"
#include "launcher/session/system.h"
#include "launcher/session/worktree.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;

bool is_directory(const std::string& path) {
  struct stat status = {};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::string rule_text(const policy::Pattern* rule) {
  return rule == nullptr ? std::string() : rule->place.text() + ": " + rule->text;
}

const std::vector<policy::Pattern>& network_of(const policy::Policy& policy,
                                               const std::string& scope) {
  const auto& own = policy.scopes.at(scope).network;
  return own ? *own : policy.network;
}

const char* outcome_of(view::Touch::Kind kind) {
  using Kind = view::Touch::Kind;
  switch (kind) {
    case Kind::kHidden:
      return "hidden";
    case Kind::kRedacted:
    case Kind::kFoundRedacted:
      return "redacted";
    case Kind::kWriteRefused:
      return "read-only";
    case Kind::kFoundDenied:
      return "denied";
    case Kind::kFoundReported:
      return "shown";
    case Kind::kWriteMasked:
      return "masked";
    case Kind::kWriteDenied:
      return "denied";
  }
  return "";
}

void note_touch(Recorder& recorder, const std::string& root, const view::Touch& touch) {
  audit::Record record;
  record.subject = join(root, touch.path);
  record.rule = rule_text(touch.rule);
  using Kind = view::Touch::Kind;
  const bool written = touch.kind == Kind::kWriteMasked || touch.kind == Kind::kWriteDenied;
  record.event = written                             ? "write"
                 : touch.kind == Kind::kWriteRefused ? "deny"
                 : touch.what.empty()                ? "hide"
                                                     : "find";
  record.reason = touch.what;
  record.outcome = outcome_of(touch.kind);
  recorder.note(std::move(record));
}

void note_unwatched(Recorder& recorder, const std::string& root) {
  audit::Record record;
  record.event = "watch";
  record.subject = root;
  record.outcome = "time-outs";
  record.reason = "a directory cannot be watched: changes outside are seen within a second";
  recorder.note(std::move(record));
}

// Where the box sees what stands in for packs that it does not see.
constexpr const char* kHistoryDirectory = "/run/agentbox/history";
// Git takes what is left out for something that it could ask this remote for, and says so with its
// name when it is asked for. The address leads nowhere.
constexpr const char* kPromisor =
    "[remote \"agentbox\"]\n"
    "\turl = /nonexistent/left-out-by-agentbox-because-it-holds-a-secret\n"
    "\tpromisor = true\n"
    "\tpartialCloneFilter = blob:none\n"  // else git writes one down, and cannot
    "\tskipFetchAll = true\n"
    "\tskipDefaultUpdate = true\n";
constexpr std::size_t kMostAlternates = 1 << 20;  // bytes

// The lines that an object directory has of its own.
std::string alternates_of(const std::string& objects) {
  const std::string path = join(objects, "info/alternates");
  if (::access(path.c_str(), F_OK) != 0) {
    return {};
  }
  std::string text = base::read_file(path, kMostAlternates);
  if (!text.empty() && text.back() != '\n') {
    text += '\n';
  }
  return text;
}

// Throws if it cannot be recorded: the relay then closes the connection.
void record_connection(Recorder& recorder, const egress::Connection& connection) {
  audit::Record record;
  record.event = "connect";
  record.subject = connection.subject;
  record.outcome = connection.allowed ? "allowed" : "refused";
  record.reason = connection.reason;
  record.rule = connection.rule == nullptr ? "" : rule_text(&connection.rule->source);
  recorder.demand(std::move(record));
}

}  // namespace

Decisions::Decisions(const policy::Policy& policy, const std::string& scope)
    : files(policy), contents(policy), home(policy), network(network_of(policy, scope)) {}

World::World(const Identity& identity, const Project& project, const policy::Policy& policy,
             const Decisions& decisions, Recorder& recorder, const WorldOptions& options)
    : identity_(identity),
      project_(project),
      policy_(policy),
      decisions_(decisions),
      recorder_(recorder) {
  add_system(identity, policy, plan_);
  own_program_ = add_own_program(policy, plan_);
  add_shims(policy, options.commands, plan_);
  shims_ = !options.commands.empty();
  mounted_.push_back({.root = identity.home, .home = true, .prefix = {}, .synthetic = {}});
  mounted_.back().synthetic = synthetic_gitconfig(identity);
  mounted_.push_back({.root = project.root, .home = false, .prefix = {}, .synthetic = {}});
  const std::string git = common_git_directory(project.root);
  if (is_directory(join(project.root, ".git"))) {
    git_directory_ = join(project.root, ".git");
  } else if (!git.empty() && !is_below(git, project.root)) {
    git_directory_ = git;
    mounted_.push_back({.root = git, .home = false, .prefix = ".git", .synthetic = {}});
  }
  // Outer before inner: a mount point below another view is looked up through it.
  std::sort(mounted_.begin(), mounted_.end(),
            [](const Mounted& a, const Mounted& b) { return a.root.size() < b.root.size(); });
  if (options.tier == Tier::kLive) {
    for (const Mounted& mounted : mounted_) {
      plan_.views.push_back(mounted.root);
    }
    plan_.scratch_home = options.fresh;
  } else {
    std::vector<MaskedFiles::Place> places;
    for (const Mounted& mounted : mounted_) {
      if (!mounted.home) {
        places.push_back({mounted.root, mounted.prefix});
      }
    }
    masked_ = std::make_unique<MaskedFiles>(identity, project, policy, decisions.files,
                                            decisions.home, places, options.fresh, plan_);
  }
  plan_.working_directory = project.working_directory;
  plan_.terminal = options.terminal;
  plan_.user_namespaces = policy.user_namespaces;
  plan_.limits = {.memory = policy.limits.memory,
                  .processes = policy.limits.processes,
                  .files = policy.limits.files};
  add_network();
}

void World::add_network() {
  plan_.local_routes = egress::local_routes(decisions_.network);
  for (const egress::Listen& listen : egress::listens(decisions_.network)) {
    plan_.sockets.push_back({.datagram = listen.kind == egress::Listen::Kind::kDnsDatagram,
                             .address = listen.address,
                             .port = listen.port});
  }
}

std::vector<review::Part> World::parts() const {
  std::vector<review::Part> parts;
  for (const Mounted& mounted : mounted_) {
    if (!mounted.home) {
      parts.push_back({.root = mounted.root, .prefix = mounted.prefix});
    }
  }
  return parts;
}

void World::cover(const review::Layer& layer) {
  const std::vector<review::Part>& parts = layer.manifest().parts;
  for (Mounted& mounted : mounted_) {
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (!mounted.home && parts[i].root == mounted.root) {
        mounted.overlay = plan_.overlays.size();
        plan_.overlays.push_back(
            {.lower = mounted.root, .upper = layer.upper(i), .work = layer.work(i)});
      }
    }
  }
}

void World::filter(std::vector<history::Filtered> repositories) {
  if (repositories.empty()) {
    return;
  }
  for (history::Filtered& one : repositories) {
    Mounted* holder = nullptr;
    for (Mounted& mounted : mounted_) {
      if (!mounted.home && is_below(one.directory, mounted.root)) {
        holder = &mounted;
      }
    }
    if (holder == nullptr) {
      throw Error(Status::kFailed,
                  "no view shows the repository " + base::printable(one.directory));
    }
    const std::string objects = join(one.directory, "objects");
    const std::string target = join(kHistoryDirectory, std::to_string(replacements_.size()));
    replacements_.push_back(history::lock_replacement(one.replacement));
    plan_.binds.push_back(
        {.source = one.replacement, .target = target, .writable = false, .optional = false});
    const std::string relative = relative_to(objects, holder->root);
    holder->synthetic.push_back({.path = relative + "/info/alternates",
                                 .symlink = false,
                                 .content = alternates_of(objects) + target + "\n"});
    if (!holder->filtered) {
      holder->filtered = std::make_shared<FilteredObjects>();
    }
    holder->filtered->add(relative, objects, std::move(one.ids));
  }
  // Git's system-wide configuration: the user's own is made from a copy of theirs, and stays free
  // for the box to write where they have none.
  plan_.files.push_back({"/etc/gitconfig", kPromisor});
}

bool World::shows(const std::string& path) const {
  if (is_below(path, project_.root)) {
    return true;
  }
  if (is_below(path, identity_.home)) {
    const policy::HomeAccess access = decisions_.home.judge(relative_to(path, identity_.home));
    return access == policy::HomeAccess::kRead || access == policy::HomeAccess::kWrite;
  }
  return system_shows(policy_, path);
}

void World::deliver_file(const std::string& name, const std::string& path) {
  std::string target = path;
  if (path.rfind("~/", 0) == 0) {
    target = join(identity_.home, path.substr(2));
  } else if (path.front() != '/') {
    target = join(project_.root, path);
  }
  const std::string link_text = join(box::kSecretsDirectory, name);
  if (target == link_text) {
    return;
  }
  if (masked_ != nullptr) {
    masked_->add_link(target, link_text, plan_);
    return;
  }
  // The innermost view that holds the path shows the link.
  Mounted* holder = nullptr;
  for (Mounted& mounted : mounted_) {
    if (is_below(target, mounted.root) && mounted.prefix.empty()) {
      holder = &mounted;
    }
  }
  if (holder == nullptr || target == holder->root || target.find("/../") != std::string::npos) {
    throw Error(Status::kConfiguration,
                "the file of secret \"" + base::printable(name) + "\" cannot appear at " +
                    base::printable(path),
                "choose a path below ~/ or in the project");
  }
  holder->synthetic.push_back(
      {.path = relative_to(target, holder->root), .symlink = true, .content = link_text});
}

view::Config World::configure(Mounted& mounted, box::Handles& handles) {
  view::Config config;
  if (mounted.overlay) {
    config.root = std::move(handles.overlays[*mounted.overlay]);
    config.watches = 0;  // an overlay does not tell what changes below it
  } else {
    // The path was resolved before; a link in it now is one that a box beside has put there.
    config.root = base::open_beneath(base::open_at(AT_FDCWD, "/", O_PATH | O_DIRECTORY).get(),
                                     "." + mounted.root, O_PATH | O_DIRECTORY);
  }
  config.path = mounted.root;
  config.synthetic = std::move(mounted.synthetic);
  config.contents = &decisions_.contents;
  config.released = &released_;
  config.touched = [this, root = mounted.root](const view::Touch& touch) {
    note_touch(recorder_, root, touch);
  };
  if (!mounted.overlay) {
    config.unwatched = [this, root = mounted.root] { note_unwatched(recorder_, root); };
  }
  if (mounted.home) {
    config.home = &decisions_.home;
    config.threads = 1;  // seldom busy, and a thread costs a launch
    config.scratch =
        handles.scratch_home ? std::move(handles.scratch_home) : open_scratch(project_);
    for (const Mounted& inner : mounted_) {
      if (!inner.home && is_below(inner.root, mounted.root)) {
        prepare_mount_point(config.scratch.get(), relative_to(inner.root, mounted.root));
      }
    }
  } else {
    config.files = &decisions_.files;
    config.secrets = search_.get();
    config.refused_objects = refused_objects_;
    config.hidden_changed =
        [this, tree = SecretSearch::Tree{mounted.root, mounted.prefix}](const std::string& path) {
          try {
            search_->reread(tree, path);
          } catch (const Error&) {
            recorder_.fail(std::current_exception());
          }
        };
    config.prefix = mounted.prefix;
    config.hidden_names = mounted.filtered;
    config.worktrees = {.git_directory = git_directory_, .project = project_.root};
    config.hidden_elsewhere = credential_files(identity_);
  }
  return config;
}

void World::serve(box::Handles& handles) {
  if (masked_ != nullptr) {
    masked_->start(handles);
  }
  start_search();
  for (std::size_t i = 0; i < handles.views.size(); ++i) {
    auto view =
        std::make_unique<view::View>(std::move(handles.views[i]), configure(mounted_[i], handles));
    const std::lock_guard lock(views_mutex_);
    views_.push_back(std::move(view));
  }
  if (!handles.sockets.empty()) {
    egress_ = std::make_unique<egress::Egress>(
        decisions_.network, std::move(handles.sockets),
        [this](const egress::Connection& connection) { record_connection(recorder_, connection); });
  }
}

void World::finish(bool progress) {
  if (masked_ != nullptr) {
    masked_->cover(recorder_, *search_, decisions_.contents, progress);
  }
}

void World::settle() {
  if (masked_ != nullptr) {
    masked_->settle();
  }
}

World::~World() {
  if (search_) {
    search_->stop();  // a view's end waits for who waits for it
  }
}

void World::start_search() {
  std::vector<SecretSearch::Tree> trees;
  for (const Mounted& mounted : mounted_) {
    if (!mounted.home) {
      trees.push_back({.root = mounted.root, .prefix = mounted.prefix});
    }
  }
  search_ = std::make_unique<SecretSearch>(
      decisions_.files, std::move(trees), credential_files(identity_),
      SecretSearch::Callbacks{
          .changed =
              [this] {
                const std::lock_guard lock(views_mutex_);
                for (const std::unique_ptr<view::View>& view : views_) {
                  view->judge_again();
                }
                if (masked_ != nullptr) {
                  masked_->search_again();
                }
              },
          .failed = [this](std::exception_ptr failure) { recorder_.fail(std::move(failure)); }});
}

void World::know(const std::vector<Released>& released) {
  released_.add(released);
  if (search_) {
    search_->know(released);
  }
}

// What would be renamed over the socket is refused where policies are read.
static_assert(std::string_view(policy::kReservedSecret) == broker::kSocketName);

void World::write_secret(const box::Handles& handles, const Released& secret) {
  // Replaced by rename, so that a reader never sees half a value; 0400, the user's own.
  const std::string temporary = "." + secret.name;
  const base::UniqueFd file =
      base::open_at(handles.secrets.get(), temporary, O_WRONLY | O_CREAT | O_EXCL, 0400);
  base::write_all(file.get(), secret.value.reveal());
  base::check(::renameat(handles.secrets.get(), temporary.c_str(), handles.secrets.get(),
                         secret.name.c_str()),
              "rename", secret.name);
}

}  // namespace agentbox::session
