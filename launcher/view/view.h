// The live file view: a FUSE file system that judges every name as it is looked up (DESIGN D1).
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/view/secrets.h"
#include "policy/content_rules.h"
#include "policy/file_rules.h"

namespace agentbox::view {

class RefusedObjects;

// An entry that exists in the view only, on top of whatever the real tree has there.
struct Synthetic {
  std::string path;      // relative to the root
  bool symlink = false;  // else a read-only regular file, 0444
  std::string content;   // or the link's text
};

// First touch of a hidden, redacted or read-only path: for the audit log. Called at most once a
// path and kind, and written secret (10,000 in all), from a serving thread, while the box waits: it
// must not use the view. An attempt that the box's kernel refuses itself, from a read-only file's
// mode, is not seen.
struct Touch {
  enum class Kind {
    kHidden,
    kRedacted,
    kWriteRefused,
    // A secret was found in it, and the value taken out, the whole file denied, or nothing done.
    kFoundRedacted,
    kFoundDenied,
    kFoundReported,
    // The box wrote a value that it was given: stars stand in its place, or nothing was written.
    kWriteMasked,
    kWriteDenied,
  } kind;
  std::string path;
  const policy::Pattern* rule;
  // The first secret's kind (Secrets::Finding), where one was found; the written secret's name.
  std::string what = {};
};

// Where the box may make linked git worktrees. Absolute, as the box sees them, without symbolic
// links.
struct Worktrees {
  // The git directory that they share. `files` must judge its paths as those of ".git" at the root
  // (it is that, or `prefix` says so): the rules for them keep it from being configured. Empty:
  // none can be made.
  std::string git_directory;
  std::string project;  // they are made below it
};

// Names that are hidden besides those that the rules hide. A file that the box made itself is shown
// all the same. Called from any thread, while the box waits: it must not use the view.
class HiddenNames {
 public:
  virtual ~HiddenNames() = default;
  // Of what is not a directory; relative to the root.
  virtual bool hides(std::string_view path) const = 0;
  // Whether hides() depends on this directory's name or place.
  virtual bool reaches_below(std::string_view directory) const = 0;
};

struct Config {
  base::UniqueFd root;  // the real directory, O_PATH | O_DIRECTORY
  // Where the box sees it, absolute; empty: at the path that `root` has. An overlay that is mounted
  // nowhere has none.
  std::string path;
  // Project mode: `files` judges. Home mode: `home` is set too; what it lists passes through to
  // `root` (judged by `files` as well), everything else lives in `scratch`.
  const policy::FileRules* files = nullptr;
  // Put before the paths that `files` judges: ".git" for a view of a git directory alone.
  std::string prefix;
  const policy::HomeRules* home = nullptr;
  std::shared_ptr<const HiddenNames> hidden_names;  // may be null
  base::UniqueFd scratch;
  Worktrees worktrees;
  std::vector<Synthetic> synthetic;
  // Hidden files with more than one link are hidden under every name; these further files (of the
  // user's home) are searched besides those of the tree itself.
  // One that cannot be looked at is passed over.
  std::vector<std::string> hidden_elsewhere;  // absolute paths
  // Looked for in what the box reads, if `files` are set too, and what happens with a file in which
  // something is found. Null secrets: names alone decide; null contents: it is redacted.
  const Secrets* secrets = nullptr;
  const policy::ContentRules* contents = nullptr;
  // Looked for in what the box writes, by the same rules for contents; in a home, of "~/PATH".
  // Null: nothing is.
  const Released* released = nullptr;
  // Shared with the view of the git directory, if that is not in this one; may be null.
  std::shared_ptr<RefusedObjects> refused_objects;
  std::function<void(const Touch&)> touched;  // may be empty
  // A hidden name was made, removed or changed outside (not by this process), in a directory that
  // the box has looked at. From a thread of its own; may be empty.
  std::function<void(const std::string& path)> hidden_changed;
  // Told once, from a serving thread, that some directory cannot be watched: its changes are seen
  // by time-outs. May be empty.
  std::function<void()> unwatched;
  std::size_t watches = 65'536;  // most directories watched; a quarter of the user's limit at most
  unsigned threads = 2;
  unsigned descriptors = 512;  // most real files and directories held open at once
};

// Serves one mounted view until it is destroyed or unmounted (the box is gone). What `config`
// points to must outlive it. docs/view.md tells what is judged when.
class View {
 public:
  // `device` is an open /dev/fuse on which the box mounted (default_permissions); INIT is answered
  // at once. Nothing of the tree is read yet. Throws base::Error.
  View(base::UniqueFd device, Config config);
  // Ends the service and joins its threads, whether or not the box is alive: what it asks from then
  // on fails with ENOTCONN. Blocks only as long as a request that is on a file system that hangs.
  ~View();
  // What the secrets look for has changed: what the box's kernel has kept is judged again. Returns
  // at once; thread-safe.
  void judge_again();
  View(const View&) = delete;
  View& operator=(const View&) = delete;

 private:
  struct Server;
  std::unique_ptr<Server> server_;
};

}  // namespace agentbox::view
