#include "launcher/session/doctor.h"

#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "audit/id.h"
#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/session/identity.h"
#include "launcher/session/layers.h"
#include "launcher/session/recorder.h"
#include "launcher/session/world.h"
#include "resolver/secret.h"

namespace agentbox::session {

namespace {

using State = Finding::State;

Finding kernel() {
  utsname name = {};
  ::uname(&name);
  const bool recent = std::strtol(name.release, nullptr, 10) >= 6 ||
                      std::string_view(name.release).substr(0, 4) == "5.15" ||
                      std::string_view(name.release).substr(0, 4) == "5.19";
  return {recent ? State::kOk : State::kMissing, "kernel", std::string("Linux ") + name.release,
          recent ? "" : "agentbox needs Linux 5.15 or newer"};
}

// The errno of unshare(2) in a child, 0 if it works: the only probe that is right everywhere.
int try_unshare(int flags) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::_exit(::unshare(flags) == 0 ? 0 : errno);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) < 0 || !WIFEXITED(status)) {
    return EIO;
  }
  return WEXITSTATUS(status);
}

std::string one_line(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

Finding user_namespaces() {
  const int error = try_unshare(CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET |
                                CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP);
  if (error == 0) {
    return {State::kOk, "namespaces", "user, mount, pid, network, IPC, UTS, cgroup", ""};
  }
  std::string mend = "inside a container: allow user namespaces in it (docs/box.md)";
  if (one_line("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1") {
    mend = "AppArmor restricts them: install packaging/apparmor/agentbox as root "
           "(apparmor_parser -r /etc/apparmor.d/agentbox)";
  } else if (one_line("/proc/sys/kernel/unprivileged_userns_clone") == "0") {
    mend = "as root: sysctl -w kernel.unprivileged_userns_clone=1";
  } else if (one_line("/proc/sys/user/max_user_namespaces") == "0") {
    mend = "as root: sysctl -w user.max_user_namespaces=10000";
  }
  return {State::kMissing, "namespaces", "cannot be made: " + base::errno_name(error), mend};
}

Finding fuse() {
  const int error = fuse_error();
  if (error == 0) {
    return {State::kOk, "/dev/fuse", "opens; the live file view works", ""};
  }
  return {State::kOptional, "/dev/fuse",
          "cannot be opened: " + base::errno_name(error) +
              "; sessions show files by masks, which are weaker than the live view",
          fuse_mend(error)};
}

// A box around `true`, with everything that a session has but secrets.
Finding whole_box() {
  const auto place = std::filesystem::temp_directory_path() / ("agentbox-doctor-" + audit::new_id());
  Finding finding = {State::kOk, "a whole box", "built, ran a command, gone", ""};
  try {
    std::filesystem::create_directory(place);
    const Identity identity = current_identity();
    const Project project = {.root = place, .working_directory = place, .policy_file = {}};
    const policy::Policy policy = policy::merge(
        {.profiles = {"strict"}, .user = {}, .repository = {}, .command_line = {}},
        profile_source());
    const Decisions decisions(policy, "main");
    audit::Record common;
    common.session = audit::new_id();
    common.command = "doctor";
    Recorder recorder(base::state_directory() + "/audit", common);
    World world(identity, project, policy, decisions, recorder,
                {.terminal = false, .fresh = true, .tier = choose_tier(policy, "auto", false)});
    box::Box box = box::Box::start(world.plan());
    box::Handles handles = box.handles();
    world.serve(handles);
    box.wait_ready();
    world.finish(false);
    box::Launch launch;
    launch.arguments = {"true"};
    launch.program = "/usr/bin/true";
    box.launch(launch);
    box.kill();
  } catch (const base::Error& error) {
    finding = {State::kMissing, "a whole box", error.what(), error.hint()};
  } catch (const std::exception& error) {
    finding = {State::kMissing, "a whole box", error.what(), ""};
  }
  std::error_code ignored;
  std::filesystem::remove_all(place, ignored);
  return finding;
}

Finding locked_memory() {
  rlimit limit = {};
  ::getrlimit(RLIMIT_MEMLOCK, &limit);
  try {
    const resolver::Secret probe(std::size_t{65536});
    return {State::kOk, "locked memory",
            limit.rlim_cur == RLIM_INFINITY ? "unlimited"
                                            : std::to_string(limit.rlim_cur >> 10) + " KiB",
            ""};
  } catch (const base::Error& error) {
    return {State::kMissing, "locked memory", error.what(), error.hint()};
  }
}

Finding audit_log() {
  const std::string directory = base::state_directory() + "/audit";
  try {
    audit::Record common;
    Recorder recorder(directory, common);
    recorder.sync();
    return {State::kOk, "audit log", base::printable(directory), ""};
  } catch (const base::Error& error) {
    return {State::kMissing, "audit log", error.what(), error.hint()};
  }
}

Finding landlock() {
  const long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0,
                             LANDLOCK_CREATE_RULESET_VERSION);
  if (abi > 0) {
    return {State::kOk, "Landlock", "ABI " + std::to_string(abi) + ", a second wall for files", ""};
  }
  return {State::kOptional, "Landlock",
          "not in this kernel: the mount namespace is the only wall for files",
          "boot with lsm=landlock,… if your kernel was built with it"};
}

Finding cgroup() {
  const std::string line = one_line("/proc/self/cgroup");
  std::string path = "/sys/fs/cgroup";
  if (line.rfind("0::", 0) == 0) {
    path += line.substr(3);
  }
  struct statfs status = {};
  constexpr long kCgroup2 = 0x63677270;
  if (::statfs(path.c_str(), &status) == 0 && status.f_type == kCgroup2 &&
      ::access((path + "/cgroup.procs").c_str(), W_OK) == 0) {
    return {State::kOk, "cgroup v2", "delegated: memory and task limits hold for a whole box", ""};
  }
  return {State::kOptional, "cgroup v2",
          "not delegated to you: limits hold for each process, by rlimits",
          "start it in a scope of your own: systemd-run --user --scope -p Delegate=yes agentbox …"};
}

Finding program(const char* name, const char* meaning) {
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const std::size_t colon = std::min(rest.find(':'), rest.size());
    const std::string candidate = std::string(rest.substr(0, colon)) + "/" + name;
    if (candidate.front() == '/' && ::access(candidate.c_str(), X_OK) == 0) {
      return {State::kOk, name, base::printable(candidate), ""};
    }
    rest.remove_prefix(std::min(colon + 1, rest.size()));
  }
  return {State::kOptional, name, std::string("not on PATH: ") + meaning, ""};
}

}  // namespace

std::vector<Finding> examine() {
  return {kernel(),
          user_namespaces(),
          fuse(),
          locked_memory(),
          audit_log(),
          whole_box(),
          landlock(),
          cgroup(),
          program("op", "op:// references cannot be resolved"),
          program("claude", "Claude Code is not installed"),
          program("codex", "Codex is not installed"),
          program("gemini", "Gemini CLI is not installed"),
          program("opencode", "OpenCode is not installed")};
}

}  // namespace agentbox::session
