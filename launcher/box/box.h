// A box: one set of namespaces with one command in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "resolver/secret.h"

namespace agentbox::box {

// A host path shown in the box, with what is mounted below it.
struct Bind {
  std::string source, target;  // absolute; `target` inside the box
  bool writable = false;
  bool optional = false;  // skip if the source does not exist
};

struct Symlink {
  std::string target, points_to;
};

// A small read-only file on the box's root.
struct TextFile {
  std::string target, content;
};

// A directory whose changes go elsewhere: an overlayfs over `lower` that is mounted nowhere. The
// box sees it through a view only, never the layer itself.
struct Overlay {
  std::string lower;  // absolute, without symbolic links, as the others
  std::string upper;  // takes what is changed; a file system with user extended attributes
  std::string work;   // empty, on the same file system
};

// A socket made in the box's network namespace and handed to the supervisor. Streams listen.
struct Socket {
  bool datagram = false;
  std::string address;  // "0.0.0.0", "127.0.0.1", "::1"
  std::uint16_t port = 0;
};

struct Limits {
  std::optional<std::uint64_t> memory, processes, files;
};

struct Plan {
  std::vector<Bind> binds;
  std::vector<Symlink> symlinks;
  std::vector<TextFile> files;
  std::vector<std::string> directories;  // made empty, 0755
  // Mount points of live views, outer before inner; served through Handles::views.
  std::vector<std::string> views;
  std::vector<Overlay> overlays;          // handed out: Handles::overlays
  std::vector<std::string> scratch;       // made empty, writable, gone with the box
  std::vector<std::string> local_routes;  // "198.18.0.0/15": delivered to the box itself (AnyIP)
  std::vector<Socket> sockets;
  std::string working_directory;
  std::string host_name = "agentbox";
  bool terminal = false;         // give the command a PTY of the box's own devpts
  bool scratch_home = false;     // hand out a tmpfs for a home that is gone with the box
  bool user_namespaces = false;  // leave clone/unshare(CLONE_NEWUSER) open
  bool guarded = false;          // hand out the namespaces, for a Guard; not with user_namespaces.
                                 // Its files are the user's own: no set-id modes (set_id_filter)
  Limits limits;
};

// What the set-up hands out: the supervisor serves these.
struct Handles {
  std::vector<base::UniqueFd> views;     // /dev/fuse descriptors, in the plan's order
  std::vector<base::UniqueFd> overlays;  // roots of the mounts, in the plan's order
  std::vector<base::UniqueFd> sockets;   // in the plan's order
  base::UniqueFd terminal;               // PTY master, if Plan::terminal
  base::UniqueFd input, output, error;   // else: our ends of the command's stdio pipes
  base::UniqueFd scratch_home;           // root of a tmpfs mounted nowhere, if Plan::scratch_home
  base::UniqueFd users, mounts;          // the box's namespaces, if Plan::guarded
  base::UniqueFd secrets;  // root of the tmpfs that the box sees read-only at kSecretsDirectory
};
inline constexpr char kSecretsDirectory[] = "/run/agentbox/secrets";

struct Launch {
  std::vector<std::string> arguments;  // argv; argv[0] too
  std::string program;                 // absolute path in the box
  resolver::Secret environment;        // "NAME=value\0" after one another
};

// How the command stands. kExited may come without the kContinued before it: the kernel tells only
// the last change of a process.
struct Event {
  enum class Kind { kStopped, kContinued, kExited } kind = Kind::kExited;
  int status = 0;  // as waitpid(2) gives it for the command; SIGKILL if init itself died
};

// Owns the box: destroying it kills every process inside. Use from one thread. Every failure is a
// base::Error that names the step, its path and the errno; a box that failed is dead.
class Box {
 public:
  // Clones and begins the set-up, which goes on while the caller works. The calling process must
  // have a single thread: the child is a copy of it.
  static Box start(const Plan& plan);
  Box(Box&&) noexcept;
  Box& operator=(Box&&) noexcept;
  ~Box();

  // Waits for the descriptors. Views must be served from here on, or the set-up cannot end.
  Handles handles();
  // Waits until the box is complete and sealed; only `launch` is missing.
  void wait_ready();
  // Runs the command; returns when execve(2) has succeeded. Throws kNotFound or kCannotRun.
  void launch(const Launch& launch);

  // Readable when next_event() has something to say.
  int event_descriptor() const;
  std::optional<Event> next_event();

  // To the command's process group (the foreground one where there is a PTY).
  void signal(int number);
  // SIGKILL to everything, waits for the end.
  void kill();
  // A pidfd of the first process, for who ends the box from another thread: with SIGKILL to it the
  // rest dies, too, and next_event() tells.
  base::UniqueFd process() const;

 private:
  struct State;
  explicit Box(State* state);
  State* state_ = nullptr;
};

}  // namespace agentbox::box
