#include "launcher/cli/shim.h"

#include <limits.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/encode.h"
#include "base/error.h"
#include "launcher/box/box.h"
#include "launcher/broker/broker.h"
#include "launcher/broker/escort.h"
#include "launcher/session/own_program.h"

namespace agentbox::cli {

std::string shim_name() {
  char path[PATH_MAX];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0 || size == static_cast<ssize_t>(sizeof path)) {
    return {};
  }
  const std::string own(path, static_cast<std::size_t>(size));
  const std::string name = own.substr(own.rfind('/') + 1);
  struct stat running = {}, shim = {};
  const bool is_shim =
      name != "agentbox" && ::stat("/proc/self/exe", &running) == 0 &&
      ::lstat((std::string(session::kProgramDirectory) + "/" + name).c_str(), &shim) == 0 &&
      running.st_dev == shim.st_dev && running.st_ino == shim.st_ino;
  return is_shim ? name : std::string();
}

int shim(const std::string& name, const Arguments& arguments) {
  broker::SpawnRequest request;
  request.command = name;
  request.arguments = {name};
  request.arguments.insert(request.arguments.end(), arguments.begin(), arguments.end());
  char* directory = ::get_current_dir_name();
  if (directory == nullptr) {
    throw base::SystemError("find", "the working directory", errno);
  }
  request.directory = directory;
  std::free(directory);
  const broker::Escorted told = {.waiting =
                                     [](const std::string& message) {
                                       std::fprintf(stderr, "agentbox: waiting %s\n",
                                                    base::printable(message).c_str());
                                     },
                                 .started = [](const nlohmann::json&) {}};
  const std::string socket = std::string(box::kSecretsDirectory) + "/" + broker::kSocketName;
  const int status = broker::escort(socket, request, told);
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace agentbox::cli
