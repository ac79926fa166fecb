#include "launcher/control/client.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/unique_fd.h"
#include "launcher/broker/client.h"
#include "launcher/control/directory.h"
#include "launcher/control/server.h"

namespace agentbox::control {

namespace {

std::string peer(const std::string& session) { return "session " + session; }

// Nothing where the session is dead; its socket is then removed. An id is never used again, so that
// no other session's can stand there meanwhile.
base::UniqueFd connect(int directory, const std::string& session) try {
  return broker::connect_to(socket_path(directory, session + kSocketSuffix), peer(session));
} catch (const base::SystemError& error) {
  if (error.error() == ECONNREFUSED) {
    ::unlinkat(directory, (session + kSocketSuffix).c_str(), 0);
  } else if (error.error() != ENOENT) {
    throw;
  }
  return {};
}

}  // namespace

std::vector<std::string> sessions(const std::string& path) {
  const base::UniqueFd directory = open_run_directory(path);
  // fdopendir(3) takes its descriptor over.
  const int listed = static_cast<int>(
      base::check(::fcntl(directory.get(), F_DUPFD_CLOEXEC, 0), "duplicate", path));
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(::fdopendir(listed), &::closedir);
  if (!entries) {
    throw base::SystemError("list", path, errno);
  }
  std::vector<std::string> found;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name = entry->d_name;
    if (name.front() != '.' && name.ends_with(kSocketSuffix)) {
      const std::string session(name.substr(0, name.size() - (sizeof kSocketSuffix - 1)));
      if (connect(directory.get(), session)) {
        found.push_back(session);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<nlohmann::json> ask(const std::string& path, const std::string& session,
                                  const std::string& method, const nlohmann::json& params) {
  const base::UniqueFd directory = open_run_directory(path);
  const base::UniqueFd socket = connect(directory.get(), session);
  if (!socket) {
    return std::nullopt;
  }
  return broker::exchange(socket.get(), peer(session), method, params, kLongestAnswer);
}

}  // namespace agentbox::control
