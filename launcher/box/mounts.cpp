// Mounts by descriptor: fsopen(2), open_tree(2), mount_setattr(2), move_mount(2).
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "base/unique_fd.h"
#include "launcher/box/steps.h"

namespace agentbox::box {

namespace {

using base::UniqueFd;

int error_of(long result) { return result < 0 ? errno : 0; }

int open_resolved(int directory, const char* path, std::uint64_t flags, std::uint64_t resolve) {
  open_how how = {};
  how.flags = flags | O_CLOEXEC;
  how.resolve = resolve;
  return static_cast<int>(::syscall(SYS_openat2, directory, path, &how, sizeof how));
}

// A place in the new root. No link is followed: what a repository planted in a view must not lead
// a mount elsewhere.
int open_inside(const Context& context, const char* path) {
  return open_resolved(context.root, path, O_PATH,
                       RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

struct Option {
  const char* key;
  const char* value;  // null: a flag
};

// Creates an unattached mount of a new file system.
template <std::size_t count>
int create_mount(const char* type, const Option (&options)[count], unsigned attributes,
                 int& mount) {
  UniqueFd file_system(::fsopen(type, FSOPEN_CLOEXEC));
  if (!file_system) {
    return errno;
  }
  for (const Option& option : options) {
    const unsigned command = option.value != nullptr ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;
    if (::fsconfig(file_system.get(), command, option.key, option.value, 0) < 0) {
      return errno;
    }
  }
  if (::fsconfig(file_system.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) < 0) {
    return errno;
  }
  mount = ::fsmount(file_system.get(), FSMOUNT_CLOEXEC, attributes);
  return error_of(mount);
}

int set_attributes(int mount, std::uint64_t set, std::uint64_t clear, unsigned flags) {
  mount_attr attributes = {};
  attributes.attr_set = set;
  attributes.attr_clr = clear;
  return error_of(
      ::mount_setattr(mount, "", AT_EMPTY_PATH | flags, &attributes, sizeof attributes));
}

int attach(const Context& context, int mount, const char* target) {
  UniqueFd place(open_inside(context, target));
  if (!place) {
    return errno;
  }
  return error_of(
      ::move_mount(mount, "", place.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

int clone_tree(int source, unsigned flags) {
  return ::open_tree(source, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);
}

// A second mount of what stands at `target`, on top of it, with other attributes.
int mount_again(const Context& context, const char* target, std::uint64_t set,
                std::uint64_t clear) {
  UniqueFd place(open_inside(context, target));
  if (!place) {
    return errno;
  }
  UniqueFd tree(clone_tree(place.get(), 0));
  if (!tree) {
    return errno;
  }
  const int error = set_attributes(tree.get(), set, clear, 0);
  if (error != 0) {
    return error;
  }
  return error_of(::move_mount(tree.get(), "", place.get(), "",
                               MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH));
}

}  // namespace

int make_mounts_private(Context&, const Step& step) {
  // The namespace is a copy; without this, mounts of the outside would still appear in it.
  mount_attr attributes = {};
  attributes.propagation = MS_PRIVATE;
  return error_of(::mount_setattr(AT_FDCWD, step.subject.c_str(), AT_RECURSIVE, &attributes,
                                  sizeof attributes));
}

int create_view(Context& context, const Step& step) {
  // The kernel insists that the device is opened in the namespace that owns the mount
  // (fs/fuse/inode.c, fuse_fill_super).
  UniqueFd device(::open("/dev/fuse", O_RDWR | O_CLOEXEC));
  if (!device) {
    return errno;
  }
  char number[16], user[16], group[16];
  std::snprintf(number, sizeof number, "%d", device.get());
  std::snprintf(user, sizeof user, "%u", context.user);
  std::snprintf(group, sizeof group, "%u", context.group);
  // allow_other: processes of nested user namespaces, whose ids differ, work in the view too. It
  // reaches no one else: the mount exists in the box's namespace alone.
  const Option options[] = {{"source", "agentbox"},
                            {"subtype", "agentbox"},
                            {"fd", number},
                            {"rootmode", "40000"},
                            {"user_id", user},
                            {"group_id", group},
                            {"default_permissions", nullptr},
                            {"allow_other", nullptr}};
  const int error = create_mount("fuse", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                                 context.views[step.index]);
  if (error == 0) {
    context.handles[context.handle_count++] = device.release();
  }
  return error;
}

int create_overlay(Context& context, const Step& step) {
  // The directories go in as descriptors, by names that hold none of the characters which an option
  // gives a meaning (',', ':', '\\').
  constexpr std::uint64_t kNoLinks = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const char* paths[] = {step.subject.c_str(), step.source.c_str(), step.target.c_str()};
  UniqueFd directories[3];
  char names[3][32];
  for (int i = 0; i < 3; ++i) {
    directories[i].reset(open_resolved(AT_FDCWD, paths[i], O_PATH | O_DIRECTORY, kNoLinks));
    if (!directories[i]) {
      return errno;
    }
    std::snprintf(names[i], sizeof names[i], "/proc/self/fd/%d", directories[i].get());
  }
  // userxattr: without it only the initial user namespace may. The other three: what is in a layer
  // is whole files at their own places, with nothing that points elsewhere.
  const Option options[] = {{"source", "agentbox-layer"},
                            {"lowerdir", names[0]},
                            {"upperdir", names[1]},
                            {"workdir", names[2]},
                            {"userxattr", nullptr},
                            {"metacopy", "off"},
                            {"index", "off"},
                            {"redirect_dir", "nofollow"}};
  int created = -1;
  const int error = create_mount("overlay", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, created);
  UniqueFd mount(created);
  if (error != 0) {
    return error;
  }
  const int directory = ::openat(mount.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) {
    return errno;
  }
  context.handles[context.handle_count++] = directory;
  return 0;
}

int create_secrets(Context& context, const Step&) {
  const Option options[] = {{"source", "agentbox-secrets"}, {"size", "16m"}, {"mode", "0700"}};
  int created = -1;
  int error = create_mount("tmpfs", options,
                           MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, created);
  UniqueFd writable(created);
  if (error != 0) {
    return error;
  }
  // Only an attached mount can be cloned (before Linux 6.15). It goes onto the old root's /proc,
  // which nothing needs any more, and goes away with it; the supervisor's descriptor keeps it
  // alive.
  if (::move_mount(writable.get(), "", AT_FDCWD, "/proc", MOVE_MOUNT_F_EMPTY_PATH) < 0) {
    return errno;
  }
  UniqueFd directory(::openat(writable.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  UniqueFd shown(clone_tree(writable.get(), 0));
  if (!directory || !shown) {
    return errno;
  }
  error = set_attributes(shown.get(), MOUNT_ATTR_RDONLY, 0, 0);
  if (error == 0) {
    context.secrets = shown.release();
    context.handles[context.handle_count++] = directory.release();
  }
  return error;
}

int create_scratch_home(Context& context, const Step&) {
  // Mounted nowhere: the supervisor serves it through the home's view, and with its descriptor the
  // last trace goes.
  const Option options[] = {{"source", "agentbox-home"}, {"mode", "0700"}};
  int created = -1;
  const int error = create_mount("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, created);
  UniqueFd mount(created);
  if (error != 0) {
    return error;
  }
  const int directory = ::openat(mount.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) {
    return errno;
  }
  context.handles[context.handle_count++] = directory;
  return 0;
}

int create_root(Context& context, const Step& step) {
  const Option options[] = {
      {"source", "agentbox"}, {"mode", "0755"}, {"size", step.source.c_str()}};
  const int error =
      create_mount("tmpfs", options, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, context.root);
  if (error != 0) {
    return error;
  }
  return error_of(::move_mount(context.root, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH));
}

int make_directory(Context& context, const Step& step) {
  const int result = ::mkdirat(context.root, step.target.c_str(), static_cast<mode_t>(step.number));
  return result < 0 && errno != EEXIST ? errno : 0;
}

int make_file(Context& context, const Step& step) {
  UniqueFd file(::openat(context.root, step.target.c_str(),
                         O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0444));
  if (!file) {
    return errno;
  }
  const char* data = step.source.data();
  std::size_t left = step.source.size();
  while (left > 0) {
    const ssize_t written = ::write(file.get(), data, left);
    if (written < 0) {
      return errno;
    }
    data += written;
    left -= static_cast<std::size_t>(written);
  }
  return 0;
}

int make_hidden_file(Context& context, const Step& step) {
  // A socket: nobody can open it, whatever its mode and whoever asks (ENXIO), and git takes it
  // neither for a file to add nor for one that is gone.
  return error_of(::mknodat(context.root, step.target.c_str(), S_IFSOCK, 0));
}

int make_symlink(Context& context, const Step& step) {
  return error_of(::symlinkat(step.source.c_str(), context.root, step.target.c_str()));
}

int bind_path(Context& context, const Step& step) {
  UniqueFd source(open_resolved(AT_FDCWD, step.source.c_str(), O_PATH, RESOLVE_NO_MAGICLINKS));
  if (!source) {
    return step.flag && errno == ENOENT ? 0 : errno;
  }
  UniqueFd tree(clone_tree(source.get(), AT_RECURSIVE));
  if (!tree) {
    return errno;
  }
  if (step.number != 0) {
    const int error = set_attributes(tree.get(), step.number, 0, AT_RECURSIVE);
    if (error != 0) {
      return error;
    }
  }
  return attach(context, tree.get(), step.target.c_str());
}

int seal_system(Context& context, const Step&) {
  return set_attributes(context.root, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, 0,
                        AT_RECURSIVE);
}

int open_scratch(Context& context, const Step& step) {
  // A second mount of the root's own directory, so that one size limit covers all scratch space.
  return mount_again(context, step.target.c_str(), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
                     MOUNT_ATTR_RDONLY);
}

int attach_view(Context& context, const Step& step) {
  return attach(context, context.views[step.index], step.target.c_str());
}

int attach_secrets(Context& context, const Step& step) {
  return attach(context, context.secrets, step.target.c_str());
}

int mount_proc(Context& context, const Step& step) {
  const Option options[] = {{"source", "proc"}};
  int created = -1;
  const int error = create_mount("proc", options,
                                 MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, created);
  UniqueFd mount(created);
  return error != 0 ? error : attach(context, mount.get(), step.target.c_str());
}

int limit_process_ids(Context& context, const Step& step) {
  UniqueFd file(open_resolved(context.root, step.target.c_str(), O_WRONLY,
                              RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS));
  if (!file) {
    return errno;
  }
  return error_of(::write(file.get(), step.source.data(), step.source.size()));
}

int mask_path(Context& context, const Step& step) {
  UniqueFd cover(open_inside(context, step.source.c_str()));
  if (!cover) {
    return errno;
  }
  UniqueFd tree(clone_tree(cover.get(), 0));
  return tree ? attach(context, tree.get(), step.target.c_str()) : errno;
}

int make_read_only(Context& context, const Step& step) {
  return mount_again(context, step.target.c_str(), MOUNT_ATTR_RDONLY, 0);
}

int change_root(Context& context, const Step&) {
  if (::fchdir(context.root) < 0) {
    return errno;
  }
  return error_of(::syscall(SYS_pivot_root, ".", "."));
}

int leave_old_root(Context&, const Step&) {
  // pivot_root(2), "pivot_root(".", ".")": the old root now lies on top of the new one.
  if (::umount2(".", MNT_DETACH) < 0) {
    return errno;
  }
  return error_of(::chdir("/"));
}

int enter_directory(Context&, const Step& step) {
  // Neither by a descriptor ("/proc/self/fd/7"), nor to a place that is not below the root, which
  // getcwd(2) calls "(unreachable)" (CVE-2024-21626).
  UniqueFd directory(
      open_resolved(AT_FDCWD, step.source.c_str(), O_PATH | O_DIRECTORY, RESOLVE_NO_MAGICLINKS));
  if (!directory || ::fchdir(directory.get()) < 0) {
    return errno;
  }
  char path[PATH_MAX];
  if (::syscall(SYS_getcwd, path, sizeof path) < 0) {
    return errno;
  }
  return path[0] == '/' ? 0 : EXDEV;
}

}  // namespace agentbox::box
