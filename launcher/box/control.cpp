#include "launcher/box/control.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <cerrno>
#include <cstring>

namespace agentbox::box {

namespace {

int send_message(int socket, const msghdr& message) {
  for (;;) {
    if (::sendmsg(socket, &message, MSG_NOSIGNAL) >= 0) {
      return 0;
    }
    if (errno != EINTR) {
      return errno;
    }
  }
}

}  // namespace

int send_report(int socket, const Report& report) {
  Report copy = report;
  iovec part = {&copy, sizeof copy};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  return send_message(socket, message);
}

int send_handles(int socket, const Report& report, const int* handles, std::size_t count) {
  alignas(cmsghdr) char space[CMSG_SPACE(kMostHandles * sizeof(int))] = {};
  if (count > kMostHandles) {
    return E2BIG;
  }
  Report copy = report;
  iovec part = {&copy, sizeof copy};
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = space;
  message.msg_controllen = CMSG_SPACE(count * sizeof(int));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(count * sizeof(int));
  std::memcpy(CMSG_DATA(header), handles, count * sizeof(int));
  return send_message(socket, message);
}

}  // namespace agentbox::box
