// A FUSE server of a few directories and no files, speaking the kernel's protocol itself
// (linux/fuse.h), so that the box can be tested without the live view.
#pragma once

#include <errno.h>
#include <linux/fuse.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::box {

class TinyView {
 public:
  // `directories` are names in the root; each is empty.
  TinyView(base::UniqueFd device, std::vector<std::string> directories);
  ~TinyView();  // waits until the mount is gone
  TinyView(const TinyView&) = delete;
  TinyView& operator=(const TinyView&) = delete;

 private:
  void serve();

  base::UniqueFd device_;
  std::vector<std::string> directories_;
  std::thread thread_;
};

inline constexpr std::size_t kMostRequest = 1 << 17;

inline fuse_attr attributes(std::uint64_t inode) {
  fuse_attr result = {};
  result.ino = inode;
  result.mode = S_IFDIR | 0755;
  result.nlink = 2;
  result.uid = ::geteuid();
  result.gid = ::getegid();
  result.blksize = 4096;
  return result;
}

inline TinyView::TinyView(base::UniqueFd device, std::vector<std::string> directories)
    : device_(std::move(device)),
      directories_(std::move(directories)),
      thread_([this] { serve(); }) {}

inline TinyView::~TinyView() { thread_.join(); }

inline void TinyView::serve() {
  std::vector<char> request(kMostRequest);
  for (;;) {
    const ssize_t size = ::read(device_.get(), request.data(), request.size());
    if (size < 0 && (errno == EINTR || errno == ENOENT)) {
      continue;
    }
    if (size < static_cast<ssize_t>(sizeof(fuse_in_header))) {
      return;  // ENODEV: unmounted
    }
    const auto* header = reinterpret_cast<const fuse_in_header*>(request.data());
    const char* body = request.data() + sizeof *header;
    struct {
      fuse_out_header header;
      union {
        fuse_init_out init;
        fuse_entry_out entry;
        fuse_attr_out attribute;
        fuse_open_out open;
        char none;
      };
    } answer = {};
    std::size_t length = 0;
    switch (header->opcode) {
      case FUSE_INIT:
        answer.init.major = FUSE_KERNEL_VERSION;
        answer.init.minor = 31;
        answer.init.max_write = 4096;
        length = sizeof answer.init;
        break;
      case FUSE_LOOKUP:
        answer.header.error = -ENOENT;
        for (std::size_t i = 0; i < directories_.size(); ++i) {
          if (directories_[i] == body) {
            answer.header.error = 0;
            answer.entry.nodeid = i + 2;
            answer.entry.attr = attributes(i + 2);
            length = sizeof answer.entry;
          }
        }
        break;
      case FUSE_GETATTR:
        answer.attribute.attr = attributes(header->nodeid);
        length = sizeof answer.attribute;
        break;
      case FUSE_OPENDIR:
        length = sizeof answer.open;
        break;
      case FUSE_READDIR:
      case FUSE_RELEASEDIR:
        break;
      case FUSE_FORGET:
      case FUSE_BATCH_FORGET:
        continue;
      default:
        answer.header.error = -ENOSYS;
    }
    answer.header.unique = header->unique;
    answer.header.len = static_cast<std::uint32_t>(sizeof answer.header + length);
    if (::write(device_.get(), &answer, answer.header.len) < 0 && errno != ENOENT) {
      return;
    }
  }
}

}  // namespace agentbox::box
