#include "launcher/session/tier.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "base/encode.h"
#include "base/error.h"
#include "base/unique_fd.h"

namespace agentbox::session {

using base::Error;
using base::Status;

int fuse_error() {
  const base::UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  struct stat status = {};
  if (!device || ::fstat(device.get(), &status) != 0) {
    return errno;
  }
  // In its place container runtimes put other devices (/dev/null).
  constexpr unsigned kMiscMajor = 10, kFuseMinor = 229;  // Documentation/admin-guide/devices.txt
  return S_ISCHR(status.st_mode) && status.st_rdev == makedev(kMiscMajor, kFuseMinor) ? 0 : ENXIO;
}

std::string fuse_mend(int error) {
  return error == EACCES || error == EPERM
             ? "as root: chmod 0666 /dev/fuse"
             : "as root: modprobe fuse; in a container: --device /dev/fuse";
}

Tier choose_tier(const policy::Policy& policy, std::string_view asked, bool layer) {
  if (asked != "auto" && asked != "live" && asked != "masks") {
    throw Error(Status::kConfiguration, "no view is called \"" + base::printable(asked) + "\"",
                "--view auto, --view live or --view masks");
  }
  const bool live_only = policy.view == policy::ViewMode::kLive;
  if (asked == "masks" && live_only) {
    throw Error(Status::kDenied, "the policy allows the live view only (\"view\": \"live\")",
                "leave --view out");
  }
  if (asked != "masks") {
    const int error = fuse_error();
    if (error == 0) {
      return Tier::kLive;
    }
    if (live_only || asked == "live") {
      throw Error(
          Status::kConfiguration,
          std::string(live_only ? "the policy (\"view\": \"live\")" : "--view live") +
              " wants the live view, but /dev/fuse cannot be opened: " + base::errno_name(error),
          fuse_mend(error));
    }
  }
  if (layer) {
    throw Error(Status::kConfiguration, "--review needs the live view: it serves the layer",
                "make /dev/fuse available (agentbox doctor), or leave --review out");
  }
  if (policy.user_namespaces) {
    throw Error(Status::kConfiguration,
                "\"user_namespaces\" needs the live view: masks do not reach into the mounts that "
                "a box could then make",
                "make /dev/fuse available (agentbox doctor), or set \"user_namespaces\": false");
  }
  return Tier::kMasks;
}

const char* tier_name(Tier tier) { return tier == Tier::kLive ? "live view" : "masks"; }

}  // namespace agentbox::session
