#include "launcher/box/filter.h"

#include <iterator>

namespace agentbox::box {

namespace {

#include "launcher/box/filter_programs.inc"

}  // namespace

FilterProgram syscall_filter(bool user_namespaces) {
  return user_namespaces ? FilterProgram{kSyscallsNested, std::size(kSyscallsNested)}
                         : FilterProgram{kSyscalls, std::size(kSyscalls)};
}

FilterProgram argument_filter(bool user_namespaces) {
  return user_namespaces ? FilterProgram{kArgumentsNested, std::size(kArgumentsNested)}
                         : FilterProgram{kArguments, std::size(kArguments)};
}

FilterProgram set_id_filter() { return {kSetId, std::size(kSetId)}; }

}  // namespace agentbox::box
