#include "launcher/broker/spawning.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <string_view>

namespace agentbox::broker {

namespace {

using nlohmann::json;

constexpr std::size_t kLongestName = 128, kLongestReason = 1024;
constexpr std::size_t kMostArguments = 4096;
constexpr std::size_t kMostParameters = 64;

bool is_text(const json& value, std::size_t most) {
  if (!value.is_string()) {
    return false;
  }
  const auto& text = value.get_ref<const std::string&>();
  return text.size() <= most && text.find('\0') == std::string::npos;
}

// One member: false if its type or size is wrong.
bool read_member(const std::string& key, const json& value, SpawnRequest& request) {
  if (key == "scope" || key == "command") {
    std::string& name = key == "scope" ? request.scope : request.command;
    name = is_text(value, kLongestName) ? value.get<std::string>() : std::string();
    return !name.empty();
  }
  if (key == "reason") {
    request.reason = is_text(value, kLongestReason) ? value.get<std::string>() : std::string();
    return is_text(value, kLongestReason);
  }
  if (key == "argv") {
    if (!value.is_array() || value.empty() || value.size() > kMostArguments) {
      return false;
    }
    for (const json& argument : value) {
      if (!is_text(argument, SIZE_MAX)) {
        return false;
      }
      request.arguments.push_back(argument);
    }
    return !request.arguments.front().empty();
  }
  if (key == "cwd") {
    if (!is_text(value, PATH_MAX - 1)) {
      return false;
    }
    request.directory = value;
    return request.directory.starts_with('/');
  }
  if (key == "params") {
    if (!value.is_object() || value.size() > kMostParameters) {
      return false;
    }
    for (const auto& [name, text] : value.items()) {
      if (name.size() > kLongestName || !is_text(text, SIZE_MAX)) {
        return false;
      }
      request.parameters[name] = text;
    }
    return true;
  }
  if (key == "terminal" || key == "detach" || key == "messages") {
    bool& member = key == "terminal" ? request.terminal
                   : key == "detach" ? request.detach
                                     : request.messages;
    member = value.is_boolean() && value.get<bool>();
    return value.is_boolean();
  }
  if (key == "rows" || key == "columns") {
    if (!value.is_number_unsigned() || value.get<std::uint64_t>() > UINT16_MAX) {
      return false;
    }
    (key == "rows" ? request.rows : request.columns) = value.get<std::uint16_t>();
    return true;
  }
  return false;
}

}  // namespace

json to_json(const SpawnRequest& request) {
  json params = {{"argv", request.arguments}, {"cwd", request.directory},
                 {"reason", request.reason},  {"terminal", request.terminal},
                 {"detach", request.detach},  {"messages", request.messages}};
  if (request.command.empty()) {
    params["scope"] = request.scope;
  } else {
    params["command"] = request.command;
  }
  if (request.terminal) {
    params["rows"] = request.rows;
    params["columns"] = request.columns;
  }
  if (!request.parameters.empty()) {
    params["params"] = request.parameters;
  }
  return params;
}

std::optional<SpawnRequest> read_spawn_request(const json& params, std::string& problem) {
  SpawnRequest request;
  if (!params.is_object()) {
    problem = "the parameters must be an object";
    return std::nullopt;
  }
  for (const auto& [key, value] : params.items()) {
    if (!read_member(key, value, request)) {
      problem = "\"" + key.substr(0, kLongestName) + "\" is unknown, too long or of the wrong type";
      return std::nullopt;
    }
  }
  if (params.contains("scope") == params.contains("command")) {
    problem = "either \"scope\" or \"command\" has to be there";
    return std::nullopt;
  }
  if (params.contains("command") && params.contains("params")) {
    problem = "a command takes its parameters from the box that asks for it";
    return std::nullopt;
  }
  for (const char* key : {"argv", "cwd"}) {
    if (!params.contains(key)) {
      problem = std::string("\"") + key + "\" is missing";
      return std::nullopt;
    }
  }
  if (request.detach && request.terminal) {
    problem = "a detached child has no terminal";
    return std::nullopt;
  }
  if (request.messages && (request.detach || request.terminal)) {
    problem = "a child that answers in messages has a caller and no terminal";
    return std::nullopt;
  }
  return request;
}

bool is_pipe(int fd, bool readable) {
  // Only pipes have a size to ask for (fcntl(2)); of them, only those on pipefs have no path.
  if (::fcntl(fd, F_GETPIPE_SZ) < 0) {
    return false;
  }
  constexpr std::string_view kName = "pipe:[";
  char target[kName.size()];
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  if (::readlink(path.c_str(), target, sizeof target) != static_cast<ssize_t>(sizeof target) ||
      std::string_view(target, sizeof target) != kName) {
    return false;
  }
  const int flags = ::fcntl(fd, F_GETFL);
  const int access = flags & O_ACCMODE;
  return flags >= 0 && (flags & O_PATH) == 0 &&
         (access == O_RDWR || access == (readable ? O_RDONLY : O_WRONLY));
}

bool may_be_sent(std::uint64_t number) {
  switch (number) {
    case SIGHUP:
    case SIGINT:
    case SIGQUIT:
    case SIGTERM:
    case SIGKILL:
    case SIGUSR1:
    case SIGUSR2:
    case SIGALRM:
    case SIGCONT:
    case SIGTSTP:
    case SIGWINCH:
      return true;
    default:
      return false;
  }
}

}  // namespace agentbox::broker
