// Bytes with descriptors over AF_UNIX sockets (unix(7), SCM_RIGHTS).
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::base {

// Most descriptors that one receive() takes; a sender with more loses all of them.
inline constexpr std::size_t kMostPassed = 8;

// As send(2) with MSG_NOSIGNAL, EINTR retried: on a stream it may send only the beginning, and the
// descriptors go with the first byte. At most kMostPassed. Returns the bytes sent, or -1 with
// errno.
ssize_t send_passing(int socket, std::string_view bytes, std::span<const int> descriptors,
                     int flags = 0);

// As recv(2), EINTR retried. Descriptors that came along are appended, close-on-exec. Whatever was
// too much or cut short is an error: -1 with EMSGSIZE, and nothing is appended.
ssize_t receive_passing(int socket, std::span<char> bytes, std::vector<UniqueFd>& descriptors,
                        int flags = 0);

}  // namespace agentbox::base
