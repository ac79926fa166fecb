#include "launcher/session/system.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/egress/egress.h"
#include "launcher/session/paths.h"

namespace agentbox::session {

namespace {

constexpr std::array<const char*, 9> kSystem = {"/usr",   "/bin",   "/sbin", "/lib", "/lib64",
                                                "/lib32", "/libx32", "/opt",  "/nix"};

// What programs need of /etc to start, to speak TLS and to know the time. Nothing that names the
// machine, its users, its keys or its services.
constexpr std::array<const char*, 32> kEtc = {
    "alternatives", "bash.bashrc",  "ca-certificates", "crypto-policies", "debian_version",
    "dpkg",         "fonts",        "gai.conf",        "gnutls",          "host.conf",
    "inputrc",      "java-17-openjdk", "ld.so.cache",  "ld.so.conf",      "ld.so.conf.d",
    "localtime",    "login.defs",   "magic",           "mailcap",         "mime.types",
    "os-release",   "perl",         "pki",             "profile",         "profile.d",
    "protocols",    "python3",      "services",        "shells",          "ssl/certs",
    "ssl/openssl.cnf", "terminfo"};

constexpr off_t kLargestCopy = 128 << 10;

void add_path(const std::string& path, box::Plan& plan) {
  struct stat status = {};
  if (::lstat(path.c_str(), &status) != 0) {
    return;
  }
  if (S_ISLNK(status.st_mode)) {
    // /bin → usr/bin, /etc/localtime → /usr/share/zoneinfo/…: the link is enough, and cheaper.
    char target[PATH_MAX];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length > 0 && length < static_cast<ssize_t>(sizeof target)) {
      plan.symlinks.push_back({path, std::string(target, static_cast<std::size_t>(length))});
    }
    return;
  }
  if (S_ISREG(status.st_mode) && status.st_size <= kLargestCopy) {
    // A copy on the box's own root costs a third of a mount.
    plan.files.push_back({path, base::read_file(path, kLargestCopy)});
    return;
  }
  plan.binds.push_back({.source = path, .target = path, .writable = false, .optional = false});
}

void add_generated(const Identity& identity, box::Plan& plan) {
  const std::string uid = std::to_string(identity.uid);
  const std::string gid = std::to_string(identity.gid);
  std::string passwd = "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
  std::string group = "tty:x:5:\nnogroup:x:65534:\n";
  if (identity.uid != 0) {
    passwd += "root:x:0:0:root:/nonexistent:/usr/sbin/nologin\n";
  }
  if (identity.gid != 0) {
    group += "root:x:0:\n";
  }
  passwd += identity.name + ":x:" + uid + ":" + gid + "::" + identity.home + ":" + identity.shell +
            "\n";
  group += identity.group + ":x:" + gid + ":\n";
  plan.files.push_back({"/etc/passwd", passwd});
  plan.files.push_back({"/etc/group", group});
  plan.files.push_back({"/etc/hosts",
                        "127.0.0.1 localhost " + plan.host_name + "\n::1 localhost\n"});
  plan.files.push_back({"/etc/resolv.conf", egress::kResolverConfiguration});
  plan.files.push_back({"/etc/nsswitch.conf",
                        "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
                        "networks: files\nprotocols: files\nservices: files\n"});
}

// Paths that may not be opened up as `system`: they hold other people's or the kernel's business.
bool is_reserved(const std::string& path) {
  for (const char* root : {"/proc", "/sys", "/run", "/dev", "/home", "/root", "/boot", "/var/run"}) {
    if (is_below(path, root) || is_below(root, path)) {
      return true;
    }
  }
  return false;
}

}  // namespace

void add_system(const Identity& identity, const policy::Policy& policy, box::Plan& plan) {
  for (const char* path : kSystem) {
    add_path(path, plan);
  }
  for (const char* name : kEtc) {
    add_path(join("/etc", name), plan);
  }
  for (const policy::Pattern& entry : policy.system) {
    const std::string& path = entry.text;
    if (path.empty() || path.front() != '/' || path.find("/../") != std::string::npos ||
        is_reserved(path) || is_below(identity.home, path)) {
      throw base::Error(base::Status::kConfiguration,
                        entry.place.text() + ": \"system\" cannot show " + base::printable(path),
                        "name an absolute path outside home directories, /proc, /sys, /run, /dev "
                        "and /boot");
    }
    plan.binds.push_back({.source = path, .target = path, .writable = false, .optional = false});
  }
  add_generated(identity, plan);
}

bool system_shows(const policy::Policy& policy, const std::string& path) {
  const auto below = [&](const std::string& root) { return is_below(path, root); };
  return std::any_of(kSystem.begin(), kSystem.end(), below) ||
         std::any_of(policy.system.begin(), policy.system.end(),
                     [&](const policy::Pattern& entry) { return below(entry.text); });
}

}  // namespace agentbox::session
