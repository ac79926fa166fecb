#include "launcher/cli/box_socket.h"

#include <unistd.h>

#include <cstdlib>

#include "launcher/box/box.h"
#include "launcher/broker/broker.h"
#include "launcher/session/paths.h"

namespace agentbox::cli {

std::string find_box_socket() {
  if (const char* named = std::getenv("AGENTBOX_SOCKET")) {
    return named;
  }
  const std::string usual = session::join(box::kSecretsDirectory, broker::kSocketName);
  return ::access(usual.c_str(), F_OK) == 0 ? usual : "";
}

}  // namespace agentbox::cli
