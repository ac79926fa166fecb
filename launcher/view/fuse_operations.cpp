#include "launcher/view/fuse_operations.h"

#include <sys/statvfs.h>

#include <cerrno>
#include <memory>
#include <new>

#include "launcher/view/file_server.h"

namespace agentbox::view {
namespace {

FileServer& server(fuse_req_t request) {
  return *static_cast<FileServer*>(fuse_req_userdata(request));
}

// Runs what answers the request; what it throws is the answer instead.
template <typename Body>
void answer(fuse_req_t request, Body body) noexcept {
  int error = EIO;
  try {
    body(server(request));
    return;
  } catch (const Failure& failure) {
    error = failure.error;
  } catch (const std::bad_alloc&) {
    error = ENOMEM;
  } catch (const std::exception&) {
    error = EIO;
  }
  fuse_reply_err(request, error);
}

// A buffer for one request of this thread, with room around it (FileServer::read).
char* buffer() {
  thread_local const auto bytes = std::make_unique<char[]>(kMostBytes + 2 * FileServer::kRoom);
  return bytes.get() + FileServer::kRoom;
}

void send(FileServer& server, fuse_req_t request, const Reply& reply) {
  const fuse_entry_param entry = FileServer::entry_of(reply);
  // The caller was killed meanwhile: the kernel does not count this lookup.
  if (fuse_reply_entry(request, &entry) == -ENOENT && reply.node) {
    server.forget(reply.node->id, 1);
  }
}

void initialize(void*, fuse_conn_info* connection) {
  // Together with ENOSYS on OPEN the kernel would lose truncations.
  connection->want &=
      ~static_cast<unsigned>(FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_SPLICE_READ |
                             FUSE_CAP_SPLICE_WRITE | FUSE_CAP_SPLICE_MOVE | FUSE_CAP_IOCTL_DIR);
  connection->want |=
      connection->capable & (FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_AUTO_INVAL_DATA |
                             FUSE_CAP_READDIRPLUS | FUSE_CAP_READDIRPLUS_AUTO |
                             FUSE_CAP_PARALLEL_DIROPS | FUSE_CAP_ASYNC_READ | FUSE_CAP_ASYNC_DIO);
  connection->max_write = kMostBytes;
  connection->max_readahead = kMostBytes;
  connection->max_background = 64;
  connection->congestion_threshold = 48;
}

void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(request, [&](FileServer& s) { send(s, request, s.lookup(parent, name)); });
}

void forget(fuse_req_t request, fuse_ino_t node, std::uint64_t lookups) {
  server(request).forget(node, lookups);
  fuse_reply_none(request);
}

void forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) {
  for (std::size_t i = 0; i < count; ++i) {
    server(request).forget(forgets[i].ino, forgets[i].nlookup);
  }
  fuse_reply_none(request);
}

void getattr(fuse_req_t request, fuse_ino_t node, fuse_file_info*) {
  answer(request, [&](FileServer& s) {
    const bool watched = s.attributes_watched(node);
    const struct stat stat = s.attributes(node);
    fuse_reply_attr(request, &stat, FileServer::attribute_seconds(watched, stat));
  });
}

void setattr(fuse_req_t request, fuse_ino_t node, struct stat* to, int set, fuse_file_info*) {
  answer(request, [&](FileServer& s) {
    const bool watched = s.attributes_watched(node);
    const struct stat stat = s.change(node, {*to, set});
    fuse_reply_attr(request, &stat, FileServer::attribute_seconds(watched, stat));
  });
}

void readlink(fuse_req_t request, fuse_ino_t node) {
  answer(request, [&](FileServer& s) { fuse_reply_readlink(request, s.read_link(node).c_str()); });
}

void mknod(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode, dev_t) {
  answer(request, [&](FileServer& s) { send(s, request, s.make_node(parent, name, mode)); });
}

void mkdir(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode) {
  answer(request, [&](FileServer& s) { send(s, request, s.make_directory(parent, name, mode)); });
}

void symlink(fuse_req_t request, const char* text, fuse_ino_t parent, const char* name) {
  answer(request, [&](FileServer& s) { send(s, request, s.make_symlink(parent, name, text)); });
}

void link(fuse_req_t request, fuse_ino_t node, fuse_ino_t parent, const char* name) {
  answer(request, [&](FileServer& s) { send(s, request, s.link(node, parent, name)); });
}

void unlink(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(request, [&](FileServer& s) {
    s.remove(parent, name, false);
    fuse_reply_err(request, 0);
  });
}

void rmdir(fuse_req_t request, fuse_ino_t parent, const char* name) {
  answer(request, [&](FileServer& s) {
    s.remove(parent, name, true);
    fuse_reply_err(request, 0);
  });
}

void rename(fuse_req_t request, fuse_ino_t parent, const char* name, fuse_ino_t new_parent,
            const char* new_name, unsigned flags) {
  answer(request, [&](FileServer& s) {
    s.rename(parent, name, new_parent, new_name, flags);
    fuse_reply_err(request, 0);
  });
}

void create(fuse_req_t request, fuse_ino_t parent, const char* name, mode_t mode,
            fuse_file_info* file) {
  answer(request, [&](FileServer& s) {
    const Reply reply = s.create(parent, name, mode, file->flags);
    const fuse_entry_param entry = FileServer::entry_of(reply);
    file->keep_cache = 1;
    if (fuse_reply_create(request, &entry, file) == -ENOENT) {
      s.forget(reply.node->id, 1);
    }
  });
}

// The kernel takes ENOSYS for "always succeeds" and stops asking.
void open(fuse_req_t request, fuse_ino_t, fuse_file_info*) { fuse_reply_err(request, ENOSYS); }

void read(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info*) {
  answer(request, [&](FileServer& s) {
    const std::size_t length =
        s.read(node, buffer(), std::min<std::size_t>(size, kMostBytes), offset);
    fuse_reply_buf(request, buffer(), length);
  });
}

void write(fuse_req_t request, fuse_ino_t node, const char* bytes, std::size_t size, off_t offset,
           fuse_file_info* file) {
  answer(request, [&](FileServer& s) {
    // A page that was written through a mapping goes where it was mapped.
    const int flags = file->writepage ? 0 : file->flags;
    fuse_reply_write(request, s.write(node, {bytes, size}, offset, flags));
  });
}

void fallocate(fuse_req_t request, fuse_ino_t node, int mode, off_t offset, off_t length,
               fuse_file_info*) {
  answer(request, [&](FileServer& s) {
    s.allocate(node, mode, offset, length);
    fuse_reply_err(request, 0);
  });
}

void lseek(fuse_req_t request, fuse_ino_t node, off_t offset, int whence, fuse_file_info*) {
  answer(request, [&](FileServer& s) { fuse_reply_lseek(request, s.seek(node, offset, whence)); });
}

void fsync(fuse_req_t request, fuse_ino_t node, int data_only, fuse_file_info*) {
  answer(request, [&](FileServer& s) {
    s.sync(node, data_only != 0);
    fuse_reply_err(request, 0);
  });
}

void statfs(fuse_req_t request, fuse_ino_t node) {
  answer(request, [&](FileServer& s) {
    const struct statvfs space = s.space(node);
    fuse_reply_statfs(request, &space);
  });
}

void list(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset, bool attributes) {
  answer(request, [&](FileServer& s) {
    const std::size_t length = s.list(request, node, buffer(),
                                      std::min<std::size_t>(size, kMostBytes), offset, attributes);
    fuse_reply_buf(request, buffer(), length);
  });
}

void readdir(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset, fuse_file_info*) {
  list(request, node, size, offset, false);
}

void readdirplus(fuse_req_t request, fuse_ino_t node, std::size_t size, off_t offset,
                 fuse_file_info*) {
  list(request, node, size, offset, true);
}

}  // namespace

// Left out on purpose, so that the kernel gets ENOSYS once and never asks again: FLUSH, ACCESS
// (the mount has default_permissions), GETXATTR and kin (one more request for each write), locks
// (the kernel keeps them itself), IOCTL, POLL. COPY_FILE_RANGE too: every byte goes by READ.
const fuse_lowlevel_ops& fuse_operations() {
  static const fuse_lowlevel_ops operations = [] {
    fuse_lowlevel_ops table = {};
    table.init = initialize;
    table.lookup = lookup;
    table.forget = forget;
    table.forget_multi = forget_multi;
    table.getattr = getattr;
    table.setattr = setattr;
    table.readlink = readlink;
    table.mknod = mknod;
    table.mkdir = mkdir;
    table.symlink = symlink;
    table.link = link;
    table.unlink = unlink;
    table.rmdir = rmdir;
    table.rename = rename;
    table.create = create;
    table.open = open;
    table.opendir = open;
    table.read = read;
    table.write = write;
    table.fallocate = fallocate;
    table.lseek = lseek;
    table.fsync = fsync;
    table.fsyncdir = fsync;
    table.statfs = statfs;
    table.readdir = readdir;
    table.readdirplus = readdirplus;
    return table;
  }();
  return operations;
}

}  // namespace agentbox::view
