#include "base/error.h"

#include <cerrno>
#include <cstring>

namespace agentbox::base {

namespace {

std::string describe(std::string_view operation, std::string_view argument, int error) {
  std::string text = "cannot ";
  text += operation;
  if (!argument.empty()) {
    text += ' ';
    text += argument;
  }
  text += ": ";
  text += ::strerror(error);
  text += " (";
  text += errno_name(error);
  text += ')';
  return text;
}

}  // namespace

SystemError::SystemError(std::string_view operation, std::string_view argument, int error,
                         std::string hint)
    : Error(Status::kFailed, describe(operation, argument, error), std::move(hint)),
      error_(error) {}

long check(long result, std::string_view operation, std::string_view argument) {
  if (result < 0) {
    throw SystemError(operation, argument, errno);
  }
  return result;
}

std::string errno_name(int error) {
  const char* name = ::strerrorname_np(error);
  return name != nullptr ? name : "E#" + std::to_string(error);
}

}  // namespace agentbox::base
