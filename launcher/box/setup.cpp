#include "launcher/box/setup.h"

#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <set>
#include <string_view>

#include "base/error.h"
#include "launcher/box/addresses.h"
#include "launcher/box/control.h"
#include "launcher/box/guard.h"
#include "launcher/box/steps.h"

namespace agentbox::box {

namespace {

using base::Error;
using base::Status;

constexpr char kEmptyFile[] = "dev/.empty-file";
constexpr char kEmptyDirectory[] = "dev/.empty-directory";
constexpr std::uint64_t kNoRights = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

// Writable by the box, on the root's own tmpfs. 01777 where programs of any user expect it.
struct Scratch {
  const char* path;
  mode_t mode;
};
constexpr Scratch kScratch[] = {
    {"/tmp", 01777}, {"/var/tmp", 01777}, {"/run", 0755}, {"/dev/shm", 01777}};

constexpr const char* kDevices[] = {"null", "zero", "full", "random", "urandom", "tty"};

// Files of /proc that tell about, or reach, more than the box. Those that are not there, or that
// the kernel keeps from this user anyway, are left out: each mask costs a launch 10 us.
constexpr const char* kMaskedProc[] = {
    "acpi",       "bus",           "fs",          "interrupts", "irq",         "kallsyms",
    "kcore",      "key-users",     "keys",        "kmsg",       "kpagecgroup", "kpagecount",
    "kpageflags", "latency_stats", "sched_debug", "scsi",       "slabinfo",    "sysrq-trigger",
    "timer_list", "timer_stats",   "vmallocinfo"};

// What programs size their thread pools and arenas by.
constexpr const char* kShownSys[] = {"/sys/devices/system/cpu", "/sys/devices/system/node"};

// Checks an absolute path and takes its leading slash (and a trailing one) away.
std::string relative(const std::string& path) {
  if (path.empty() || path[0] != '/' || path.find('\0') != std::string::npos) {
    throw Error(Status::kConfiguration, bad_plan_message("not an absolute path", path));
  }
  std::string result;
  std::size_t begin = 1;
  while (begin < path.size()) {
    std::size_t end = path.find('/', begin);
    if (end == std::string::npos) {
      end = path.size();
    }
    const std::string_view part(path.data() + begin, end - begin);
    if (part == "..") {
      throw Error(Status::kConfiguration, bad_plan_message("\"..\" in a path", path));
    }
    if (!part.empty() && part != ".") {
      if (!result.empty()) {
        result += '/';
      }
      result += part;
    }
    begin = end + 1;
  }
  return result;
}

std::string target_of(const std::string& path) {
  std::string target = relative(path);
  if (target.empty()) {
    throw Error(Status::kConfiguration, bad_plan_message("the root cannot be a mount point", path));
  }
  if (target == "proc" || target.starts_with("proc/")) {
    throw Error(Status::kConfiguration, bad_plan_message("nothing may be mounted on /proc", path));
  }
  return target;
}

bool below(std::string_view path, std::string_view parent) {
  return path.size() > parent.size() && path.starts_with(parent) && path[parent.size()] == '/';
}

// RLIMIT_NPROC does not bind user 0 (getrlimit(2)). Since Linux 6.14 each PID namespace has a
// pid_max of its own; before, a write would change the whole machine's.
constexpr std::uint64_t kFewestProcessIds = 301;  // kernel/pid.c, RESERVED_PIDS + 1

bool has_own_process_ids() {
  utsname system = {};
  unsigned major = 0, minor = 0;
  ::uname(&system);
  return std::sscanf(system.release, "%u.%u", &major, &minor) == 2 &&
         (major > 6 || (major == 6 && minor >= 14));
}

// One thing that is attached to the tree: a bind or a view.
struct Attachment {
  std::string target;
  const Bind* bind = nullptr;  // else a view
  std::size_t view = 0;
  bool late = false;  // not part of the read-only system
  mode_t type = S_IFDIR;

  std::ptrdiff_t depth() const { return std::count(target.begin(), target.end(), '/'); }
};

class Compiler {
 public:
  Compiler(const Plan& plan, Context& context) : plan_(plan), context_(context) {}

  std::vector<Step> run();

 private:
  Step& add(const char* name, int (*function)(Context&, const Step&), std::string subject = {}) {
    steps_.push_back({name, function, std::move(subject), {}, {}, 0, 0, false});
    return steps_.back();
  }

  void collect_attachments();
  void network();
  void views();
  void streams();
  void root_tree();
  void early_binds();
  void devices();
  void scratch();
  void proc();
  void late_attachments();
  void limits();
  void seal();

  bool on_root(std::string_view target) const;
  void require_on_root(const std::string& target) const;
  void directory(const std::string& target, mode_t mode, const char* name = "make directory");
  void parents(const std::string& target);

  const Plan& plan_;
  Context& context_;
  std::vector<Step> steps_;
  std::vector<Attachment> attachments_;
  std::set<std::string> made_;
};

// The whole order of the set-up. Nothing else runs in the box before the command.
std::vector<Step> Compiler::run() {
  if (plan_.guarded && plan_.user_namespaces) {
    throw Error(Status::kConfiguration,
                "box plan: a guard's masks would not reach into namespaces of the box's own");
  }
  collect_attachments();
  add("map user and group", map_identity);
  add("make mounts private", make_mounts_private, "/");
  add("set host name", set_host_name, plan_.host_name).source = plan_.host_name;
  views();
  network();
  if (plan_.guarded) {
    add("hand out namespaces", open_namespace, "user").source = "self/ns/user";
    add("hand out namespaces", open_namespace, "mount").source = "self/ns/mnt";
  }
  add("create secrets directory", create_secrets, kSecretsDirectory);
  if (plan_.scratch_home) {
    add("create scratch home", create_scratch_home);
  }
  streams();
  add("hand out descriptors", hand_out);
  root_tree();
  early_binds();
  add("make system read-only", seal_system, "/");
  devices();
  scratch();
  proc();
  add("show secrets directory", attach_secrets, kSecretsDirectory).target =
      relative(kSecretsDirectory);
  late_attachments();
  add("change root", change_root, "/");
  add("leave old root", leave_old_root, "/");
  Step& enter = add("enter working directory", enter_directory, plan_.working_directory);
  enter.source = "/" + relative(plan_.working_directory);
  if (plan_.guarded) {
    context_.command_directory = enter;
    enter.source = "/";
  }
  limits();
  seal();
  return std::move(steps_);
}

void Compiler::collect_attachments() {
  for (const Bind& bind : plan_.binds) {
    relative(bind.source);
    Attachment attachment{target_of(bind.target), &bind};
    struct stat status = {};
    if (::stat(bind.source.c_str(), &status) < 0) {
      if (bind.optional && (errno == ENOENT || errno == ENOTDIR)) {
        continue;
      }
    } else {
      attachment.type = status.st_mode & S_IFMT;
    }
    attachment.late = bind.writable;
    attachments_.push_back(attachment);
  }
  for (std::size_t i = 0; i < plan_.views.size(); ++i) {
    attachments_.push_back({target_of(plan_.views[i]), nullptr, i, true});
  }
  // Outer before inner. A read-only bind is late too if what it lies on is.
  std::stable_sort(attachments_.begin(), attachments_.end(),
                   [](const Attachment& a, const Attachment& b) { return a.depth() < b.depth(); });
  for (Attachment& inner : attachments_) {
    for (const Attachment& outer : attachments_) {
      inner.late |= outer.late && (below(inner.target, outer.target));
    }
    for (const Scratch& scratch : kScratch) {
      inner.late |= below(inner.target, scratch.path + 1);
    }
    for (const std::string& path : plan_.scratch) {
      inner.late |= below(inner.target, relative(path));
    }
    inner.late |= inner.target == "dev" || below(inner.target, "dev");
  }
}

void Compiler::views() {
  context_.views.assign(plan_.views.size(), -1);
  for (std::size_t i = 0; i < plan_.views.size(); ++i) {
    add("create live view", create_view, plan_.views[i]).index = i;
  }
  for (const Overlay& overlay : plan_.overlays) {
    Step& step = add("create overlay", create_overlay, overlay.lower);
    step.source = "/" + relative(overlay.upper);
    step.target = "/" + relative(overlay.work);
  }
}

void Compiler::network() {
  add("bring up loopback interface", raise_loopback, "lo");
  for (const std::string& route : plan_.local_routes) {
    add("add local route", add_route, route).index = context_.routes.size();
    context_.routes.push_back(local_route_message(route));
  }
  for (const Socket& socket : plan_.sockets) {
    Step& step =
        add("open socket", open_socket, socket.address + " port " + std::to_string(socket.port));
    step.index = context_.addresses.size();
    step.flag = socket.datagram;
    context_.addresses.push_back(socket_address(socket.address, socket.port));
  }
}

void Compiler::streams() {
  context_.terminal = plan_.terminal;
  add("create terminals", create_terminals, "/dev/pts");
  if (plan_.terminal) {
    add("open terminal", open_terminal, "/dev/pts/ptmx");
  } else {
    add("open pipes", open_pipes);
  }
  const std::size_t count = plan_.views.size() + plan_.overlays.size() + plan_.sockets.size() + 7;
  if (count > kMostHandles) {
    throw Error(Status::kConfiguration, "box plan: " + std::to_string(count) +
                                            " views and sockets are too many, at most " +
                                            std::to_string(kMostHandles) + " can be handed out");
  }
  context_.handles.assign(count, -1);
}

// Whether the place is on the root's own tmpfs, where the set-up makes the mount point. Elsewhere
// it must exist.
bool Compiler::on_root(std::string_view target) const {
  return std::none_of(attachments_.begin(), attachments_.end(),
                      [&](const Attachment& other) { return below(target, other.target); });
}

// What is made on the root must not vanish below a mount.
void Compiler::require_on_root(const std::string& target) const {
  if (!on_root(target)) {
    throw Error(Status::kConfiguration,
                bad_plan_message("lies below a bind or a view", "/" + target));
  }
}

void Compiler::parents(const std::string& target) {
  for (std::size_t slash = target.find('/'); slash != std::string::npos;
       slash = target.find('/', slash + 1)) {
    directory(target.substr(0, slash), 0755);
  }
}

void Compiler::directory(const std::string& target, mode_t mode, const char* name) {
  if (target.empty() || !made_.insert(target).second) {
    return;
  }
  parents(target);
  Step& step = add(name, make_directory, "/" + target);
  step.target = target;
  step.number = mode;
}

void Compiler::root_tree() {
  add("create root", create_root, "/").source =
      plan_.limits.memory ? std::to_string(*plan_.limits.memory) : "50%";
  directory("dev", 0755);
  directory("proc", 0555);
  for (const Scratch& scratch : kScratch) {
    directory(scratch.path + 1, scratch.mode);
  }
  for (const std::string& path : plan_.scratch) {
    require_on_root(target_of(path));
    directory(target_of(path), 0700);
  }
  directory(relative(kSecretsDirectory), 0700);
  directory("run/user/" + std::to_string(context_.user), 0700);
  directory("dev/pts", 0755);
  for (const Symlink& link : plan_.symlinks) {
    const std::string target = target_of(link.target);
    require_on_root(target);
    parents(target);
    made_.insert(target);
    Step& step = add("make symbolic link", make_symlink, link.target);
    step.target = target;
    step.source = link.points_to;
  }
  for (const std::string& path : plan_.directories) {
    const std::string target = relative(path);
    require_on_root(target);
    directory(target, 0755);
  }
  for (const Attachment& attachment : attachments_) {
    if (!on_root(attachment.target)) {
      continue;
    }
    if (attachment.type == S_IFDIR) {
      directory(attachment.target, 0755, "make mount point");
    } else if (made_.insert(attachment.target).second) {
      parents(attachment.target);
      add("make mount point", make_file, "/" + attachment.target).target = attachment.target;
    }
  }
  for (const TextFile& file : plan_.files) {
    const std::string target = target_of(file.target);
    require_on_root(target);
    parents(target);
    Step& step = add("write file", make_file, file.target);
    step.target = target;
    step.source = file.content;
  }
}

void Compiler::early_binds() {
  for (const char* path : kShownSys) {
    if (::access(path, F_OK) == 0) {
      directory(path + 1, 0755);
      Step& step = add("bind system directory", bind_path, path);
      step.source = path;
      step.target = path + 1;
      step.flag = true;
    }
  }
  for (const Attachment& attachment : attachments_) {
    if (!attachment.late) {
      Step& step = add("bind system directory", bind_path, attachment.bind->source);
      step.source = attachment.bind->source;
      step.target = attachment.target;
      step.flag = attachment.bind->optional;
    }
  }
  for (const char* name : kDevices) {
    add("make mount point", make_file, std::string("/dev/") + name).target =
        std::string("dev/") + name;
  }
  const struct {
    const char* name;
    const char* text;
  } links[] = {{"dev/ptmx", "pts/ptmx"},
               {"dev/fd", "/proc/self/fd"},
               {"dev/stdin", "/proc/self/fd/0"},
               {"dev/stdout", "/proc/self/fd/1"},
               {"dev/stderr", "/proc/self/fd/2"}};
  for (const auto& link : links) {
    Step& step = add("make symbolic link", make_symlink, std::string("/") + link.name);
    step.target = link.name;
    step.source = link.text;
  }
  add("make cover of masked files", make_file, "/dev").target = kEmptyFile;
  directory(kEmptyDirectory, 0555, "make cover of masked directories");
  if (plan_.guarded) {
    add("make cover of hidden files", make_hidden_file, "/dev").target = kHiddenFile;
    directory(kHiddenDirectory, 0, "make cover of hidden directories");
  }
}

void Compiler::devices() {
  for (const char* name : kDevices) {
    // Read-only: the device itself can still be written, but its owner and mode not changed, which
    // a box of user 0 could otherwise do to the host's node.
    const std::string path = std::string("/dev/") + name;
    Step& step = add("bind device", bind_path, path);
    step.source = path;
    step.target = path.substr(1);
    step.number = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
  }
  add("mount terminals", attach_terminals, "/dev/pts").target = "dev/pts";
}

void Compiler::scratch() {
  for (const Scratch& scratch : kScratch) {
    add("open scratch directory", open_scratch, scratch.path).target = scratch.path + 1;
    context_.writable.emplace_back(scratch.path);
  }
  for (const std::string& path : plan_.scratch) {
    add("open scratch directory", open_scratch, path).target = target_of(path);
    context_.writable.push_back(path);
  }
}

void Compiler::proc() {
  add("mount /proc", mount_proc, "/proc").target = "proc";
  if (plan_.limits.processes && context_.user == 0 && has_own_process_ids()) {
    Step& step = add("limit process ids", limit_process_ids, "/proc/sys/kernel/pid_max");
    step.target = step.subject.substr(1);
    step.source = std::to_string(std::max(*plan_.limits.processes, kFewestProcessIds));
  }
  for (const char* name : kMaskedProc) {
    const std::string path = std::string("/proc/") + name;
    struct stat status = {};
    constexpr mode_t kOthers = S_IROTH | S_IWOTH | S_IXOTH;
    if (::stat(path.c_str(), &status) == 0 &&
        (status.st_uid == context_.user || (status.st_mode & kOthers) != 0)) {
      Step& step = add("mask", mask_path, path);
      step.target = path.substr(1);
      step.source = S_ISDIR(status.st_mode) ? kEmptyDirectory : kEmptyFile;
    }
  }
  add("make /proc/sys read-only", make_read_only, "/proc/sys").target = "proc/sys";
}

void Compiler::late_attachments() {
  for (const Attachment& attachment : attachments_) {
    if (!attachment.late) {
      continue;
    }
    if (attachment.bind == nullptr) {
      Step& step = add("mount live view", attach_view, plan_.views[attachment.view]);
      step.target = attachment.target;
      step.index = attachment.view;
    } else {
      Step& step = add("bind", bind_path, attachment.bind->source);
      step.source = attachment.bind->source;
      step.target = attachment.target;
      step.number = kNoRights | (attachment.bind->writable ? 0U : MOUNT_ATTR_RDONLY);
      step.flag = attachment.bind->optional;
    }
    if (attachment.bind == nullptr || attachment.bind->writable) {
      context_.writable.push_back("/" + attachment.target);
    }
  }
}

void Compiler::limits() {
  const auto limit = [this](const char* what, int resource, std::uint64_t value) {
    Step& step = add("limit", limit_resource, what);
    step.index = static_cast<std::size_t>(resource);
    step.number = value;
  };
  limit("core size", RLIMIT_CORE, 0);
  if (plan_.limits.memory && !context_.cgroup) {
    limit("memory", RLIMIT_DATA, *plan_.limits.memory);
  }
  if (plan_.limits.processes) {
    limit("processes", RLIMIT_NPROC, *plan_.limits.processes);
  }
  if (plan_.limits.files) {
    limit("open files", RLIMIT_NOFILE, *plan_.limits.files);
  }
}

void Compiler::seal() {
  context_.user_namespaces = plan_.user_namespaces;
  context_.guarded = plan_.guarded;
  add("take terminal", take_terminal);
  add("close descriptors", close_descriptors);
  add("lock secure bits", lock_secure_bits);
  add("drop bounding set", drop_bounding_set);
  add("drop capabilities", drop_capabilities);
  add("forbid new privileges", forbid_new_privileges);
  // Landlock refuses every change of mounts, which is what nested namespaces are for.
  if (context_.landlock_abi > 0 && !plan_.user_namespaces) {
    add("restrict with Landlock", restrict_with_landlock, "/");
  }
  add("install system call filter", install_filter);
  add("tie to supervisor", tie_to_supervisor);
}

}  // namespace

Context::~Context() {
  if (no_capabilities != nullptr) {
    cap_free(no_capabilities);
  }
}

std::vector<Step> compile(const Plan& plan, Context& context) {
  context.user = ::geteuid();
  context.group = ::getegid();
  return Compiler(plan, context).run();
}

std::string hint(const Step& step, int error) {
  if (step.run == map_identity && (error == EPERM || error == EACCES)) {
    return "this machine restricts unprivileged user namespaces (Ubuntu: sysctl "
           "kernel.apparmor_restrict_unprivileged_userns=0, or the package's AppArmor profile)";
  }
  if (step.run == make_mounts_private && (error == EPERM || error == EACCES)) {
    return "this machine gives new user namespaces no capabilities (Ubuntu: sysctl "
           "kernel.apparmor_restrict_unprivileged_userns=0, or the package's AppArmor profile)";
  }
  if (step.run == create_view && (error == ENOENT || error == ENODEV || error == ENXIO)) {
    return "load the fuse module: sudo modprobe fuse; in a container: --device /dev/fuse";
  }
  if (step.run == create_view && (error == EACCES || error == EPERM)) {
    return "let every user open it: sudo chmod 0666 /dev/fuse";
  }
  if (step.run == create_overlay) {
    return "a layer needs overlayfs for unprivileged users (Linux 5.11), a state directory on a "
           "file "
           "system that it can write to (ext4, XFS, Btrfs, tmpfs; not NFS, not another overlay), "
           "and "
           "no other mount below the directory; without --review nothing of this is needed";
  }
  if (step.run == mount_proc && error == EPERM) {
    return "the container masks /proc; start it with --security-opt systempaths=unconfined";
  }
  if (step.run == enter_directory && (error == ENOENT || error == ELOOP)) {
    return "start in a directory that the policy shows to the box";
  }
  if (step.run == open_socket && error == EADDRINUSE) {
    return "the plan names the same address and port twice";
  }
  if (error == ENOSYS) {
    return "agentbox needs Linux 5.13 or newer, and a container whose filter lets mount calls "
           "through";
  }
  return {};
}

}  // namespace agentbox::box
