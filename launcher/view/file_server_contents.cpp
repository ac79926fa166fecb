// The requests about attributes and bytes.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "launcher/view/file_server.h"

namespace agentbox::view {
namespace {

std::size_t slice(std::string_view bytes, char* buffer, std::size_t size, off_t offset) {
  const auto start = std::min(bytes.size(), static_cast<std::size_t>(offset));
  const std::size_t length = std::min(size, bytes.size() - start);
  std::memcpy(buffer, bytes.data() + start, length);
  return length;
}

struct timespec time_to_set(const Change& change, int bit, int now_bit,
                            const struct timespec& time) {
  if ((change.set & now_bit) != 0) {
    return {.tv_sec = 0, .tv_nsec = UTIME_NOW};
  }
  return (change.set & bit) != 0 ? time : timespec{.tv_sec = 0, .tv_nsec = UTIME_OMIT};
}

// Wipes what a value may stand in, however its block is left.
class Wiped {
 public:
  explicit Wiped(std::string& bytes) : bytes_(bytes) {}
  ~Wiped() { ::explicit_bzero(bytes_.data(), bytes_.size()); }
  Wiped(const Wiped&) = delete;
  Wiped& operator=(const Wiped&) = delete;

 private:
  std::string& bytes_;
};

bool own_group(gid_t group) {
  gid_t groups[NGROUPS_MAX];
  const int count = ::getgroups(NGROUPS_MAX, groups);
  return group == ::getegid() ||
         std::find(groups, groups + std::max(count, 0), group) != groups + std::max(count, 0);
}

}  // namespace

struct stat FileServer::attributes(std::uint64_t id) {
  const std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  if (node->kind != Node::Kind::kReal) {
    Found found;
    found.path = nodes_.path(*node);
    found.kind = node->kind;
    found.synthetic = node->synthetic;
    return unreal_inode(found).stat;
  }
  return shown(open(node, O_PATH));
}

struct stat FileServer::change(std::uint64_t id, const Change& change) {
  std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  const bool truncate = (change.set & FUSE_SET_ATTR_SIZE) != 0;
  const Opened file = truncate ? open_contents(node, O_WRONLY) : open(node, O_PATH);
  if (file.verdict.link != policy::LinkFile::kNone && change.set == FUSE_SET_ATTR_SIZE &&
      change.to.st_size == 0 && file.inode.stat.st_size == 0) {
    return shown(file.inode, file.verdict);  // it is what it shall be
  }
  require_writable(file.verdict, file.path);
  if (truncate) {
    require_no_shown_index(file);
  }
  lock.unlock();
  if (truncate && change.to.st_size > 0) {  // cut to nothing, nothing of it can be read
    require_no_secret_near(file, node, change.to.st_size, change.to.st_size);
  }
  const int fd = file.fd.get();
  const auto changing = own_.changing(file.inode.identity);
  const Inode before = inode_of(fd);
  if ((change.set & (FUSE_SET_ATTR_UID | FUSE_SET_ATTR_GID)) != 0) {
    const bool uid = (change.set & FUSE_SET_ATTR_UID) != 0;
    const bool gid = (change.set & FUSE_SET_ATTR_GID) != 0;
    const struct stat seen = shown(file.inode, file.verdict);
    const bool regroup = gid && change.to.st_gid != seen.st_gid;
    if ((uid && change.to.st_uid != seen.st_uid) || (regroup && !own_group(change.to.st_gid))) {
      fail(EPERM);
    }
    if (regroup) {
      checked(::fchownat(fd, "", static_cast<uid_t>(-1), change.to.st_gid, AT_EMPTY_PATH));
    }
  }
  if (truncate) {
    checked(::ftruncate(fd, change.to.st_size));
  }
  if ((change.set & FUSE_SET_ATTR_MODE) != 0) {
    mode_t mode = change.to.st_mode & 07777 & ~static_cast<mode_t>(S_ISUID);
    if (!file.inode.directory()) {
      mode &= ~static_cast<mode_t>(S_ISGID);
    }
    checked(::chmod(("/proc/self/fd/" + std::to_string(fd)).c_str(), mode));
    if ((mode & 0111) != 0) {
      held_.drop(id);  // a program now
    }
  }
  if ((change.set & (FUSE_SET_ATTR_ATIME | FUSE_SET_ATTR_ATIME_NOW | FUSE_SET_ATTR_MTIME |
                     FUSE_SET_ATTR_MTIME_NOW)) != 0) {
    const struct timespec times[] = {
        time_to_set(change, FUSE_SET_ATTR_ATIME, FUSE_SET_ATTR_ATIME_NOW, change.to.st_atim),
        time_to_set(change, FUSE_SET_ATTR_MTIME, FUSE_SET_ATTR_MTIME_NOW, change.to.st_mtim)};
    checked(::utimensat(fd, "", times, AT_EMPTY_PATH));
  }
  const Inode after = inode_of(fd);
  own_.changed(before, after, truncate ? change.to.st_size : before.stat.st_size);
  if (truncate && change.to.st_size == 0) {
    own_.made(after);
  }
  links_.changed(file.inode, after, 0);
  return shown({base::UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)), after, file.verdict, file.path});
}

std::size_t FileServer::read(std::uint64_t id, char* buffer, std::size_t size, off_t offset) {
  std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  if (node->synthetic != nullptr) {
    return slice(node->synthetic->content, buffer, size, offset);
  }
  const Opened file = open_contents(node, O_RDONLY);
  lock.unlock();
  switch (file.verdict.content) {
    case Content::kPlain:
      break;
    case Content::kGitIndex:
      if (const auto index = index_of(file); index->how == IndexFiles::Shown::How::kRewritten) {
        return slice(index->bytes, buffer, size, offset);
      }
      break;
    case Content::kHidden:
      fail(ESTALE);
    case Content::kCredential:
    case Content::kReferences: {
      const auto reason = file.verdict.content == Content::kCredential
                              ? Contents::Reason::kCredential
                              : Contents::Reason::kNoReferences;
      std::string bytes = contents_.checked_bytes(reason, file.fd.get(), file.inode);
      const policy::ContentDecision decision = judge_contents(file);
      if (decision.detect != policy::Detect::kOff) {
        take_out_secrets(file, node, decision, bytes, bytes.data(), bytes.size());
      }
      return slice(bytes, buffer, size, offset);
    }
    case Content::kRedacted:
      judge_.touched(Touch::Kind::kRedacted, file.path, file.verdict.rule);
      return slice(*contents_.redacted(file.fd.get(), file.inode), buffer, size, offset);
  }
  const policy::ContentDecision decision = judge_contents(file);
  const std::size_t length = decision.detect == policy::Detect::kOff
                                 ? read_at(file.fd.get(), buffer, size, offset)
                                 : read_judged(file, node, decision, buffer, size, offset);
  // A file that was renamed to a hidden name between its opening and its reading may hold the
  // secret already. If it still stands where it stood, these bytes are older than any such rename.
  lock.lock();
  open(node, O_PATH);
  return length;
}

void FileServer::after_write(const Opened& file) {
  if (!own_.own(file.inode)) {
    indexes_.changed(file.path);
  }
  if ((file.inode.stat.st_mode & (S_ISUID | S_ISGID)) != 0) {
    // The kernel leaves this to us, and root's own writes keep the bits.
    checked(::fchmod(file.fd.get(), file.inode.stat.st_mode & 01777));
  }
  if (file.inode.stat.st_nlink > 1) {
    links_.changed(file.inode, inode_of(file.fd.get()), 0);
  }
}

std::size_t FileServer::write(std::uint64_t id, std::string_view bytes, off_t offset, int flags) {
  std::shared_lock lock(names_);
  // Another process, outside too, may have appended since the box's kernel last asked for the size.
  const NodePtr node = nodes_.get(id);
  const Opened file = open_contents(node, O_WRONLY | (flags & O_APPEND));
  if (file.verdict.link != policy::LinkFile::kNone) {
    return write_link(file, bytes, offset);
  }
  require_writable(file.verdict, file.path);
  require_no_shown_index(file);
  lock.unlock();
  const bool append = (flags & O_APPEND) != 0;
  const off_t start = append ? file.inode.stat.st_size : offset;
  require_no_secret_near(file, node, start, start + static_cast<off_t>(bytes.size()));
  const auto changing = own_.changing(file.inode.identity);
  const Inode before = inode_of(file.fd.get());
  std::string guarded;
  const Wiped wiped(guarded);
  if (config_.released != nullptr && config_.released->reach() > 0) {
    bytes = guard_write(file, node, bytes, append ? before.stat.st_size : offset, guarded);
  }
  std::size_t written = 0;
  while (written < bytes.size()) {
    const ssize_t part = ::pwrite(file.fd.get(), bytes.data() + written, bytes.size() - written,
                                  offset + static_cast<off_t>(written));
    if (part < 0 && errno == EINTR) {
      continue;
    }
    if (part < 0 && written > 0) {
      break;  // as write(2): what went in is told first
    }
    written += static_cast<std::size_t>(checked(part));
  }
  after_write(file);
  own_.changed(before, inode_of(file.fd.get()),
               append ? before.stat.st_size + static_cast<off_t>(written)
                      : std::max(before.stat.st_size, offset + static_cast<off_t>(written)));
  return written;
}

void FileServer::allocate(std::uint64_t id, int mode, off_t offset, off_t length) {
  std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  const Opened file = open_contents(node, O_WRONLY);
  require_writable(file.verdict, file.path);
  require_no_shown_index(file);
  lock.unlock();
  if ((mode & ~FALLOC_FL_KEEP_SIZE) != 0) {
    require_no_secret_near(file, node, offset, offset + length);
  }
  const auto changing = own_.changing(file.inode.identity);
  const Inode before = inode_of(file.fd.get());
  checked(::fallocate(file.fd.get(), mode, offset, length));
  after_write(file);
  const bool grows = mode == 0 && offset + length > before.stat.st_size;
  own_.changed(before, inode_of(file.fd.get()), grows ? offset + length : before.stat.st_size);
}

off_t FileServer::seek(std::uint64_t id, off_t offset, int whence) {
  std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  if (whence != SEEK_DATA && whence != SEEK_HOLE) {
    fail(EINVAL);
  }
  if (node->kind == Node::Kind::kReal) {
    const Opened file = open_contents(node, O_RDONLY);
    if (file.verdict.content == Content::kPlain) {
      lock.unlock();
      return checked(::lseek(file.fd.get(), offset, whence));
    }
  }
  lock.unlock();
  const struct stat stat = attributes(id);  // all data, then the end
  if (offset >= stat.st_size) {
    fail(ENXIO);
  }
  return whence == SEEK_DATA ? offset : stat.st_size;
}

void FileServer::sync(std::uint64_t id, bool data_only) {
  std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  if (node->kind != Node::Kind::kReal) {
    return;
  }
  const Opened file =
      node->directory() ? open(node, O_RDONLY | O_DIRECTORY) : open_contents(node, O_RDONLY);
  lock.unlock();
  checked(data_only ? ::fdatasync(file.fd.get()) : ::fsync(file.fd.get()));
}

struct statvfs FileServer::space(std::uint64_t id) {
  struct statvfs space;
  const std::shared_lock lock(names_);
  const NodePtr node = nodes_.get(id);
  if (node->kind == Node::Kind::kReal) {
    checked(::fstatvfs(open(node, O_PATH).fd.get(), &space));
  } else {
    checked(::fstatvfs(storage_.top(), &space));
  }
  return space;
}

}  // namespace agentbox::view
