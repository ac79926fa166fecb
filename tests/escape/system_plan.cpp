#include "tests/escape/system_plan.h"

#include <limits.h>
#include <unistd.h>

namespace agentbox::escape {

box::Plan system_plan(const std::string& program_directory) {
  box::Plan plan;
  plan.binds.push_back({"/usr", "/usr"});
  for (const char* name : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"}) {
    char text[PATH_MAX];
    const ssize_t length = ::readlink(name, text, sizeof text);
    if (length > 0) {
      plan.symlinks.push_back({name, std::string(text, static_cast<std::size_t>(length))});
    } else if (::access(name, F_OK) == 0) {
      plan.binds.push_back({name, name});
    }
  }
  for (const char* name : {"/etc/ld.so.cache", "/etc/alternatives", "/etc/ssl", "/etc/localtime"}) {
    plan.binds.push_back({name, name, false, true});
  }
  plan.files.push_back({"/etc/passwd", "root:x:0:0::/root:/bin/sh\n"});
  plan.files.push_back({"/etc/hosts", "127.0.0.1 localhost\n"});
  if (!program_directory.empty()) {
    plan.binds.push_back({program_directory, "/probe"});
  }
  plan.working_directory = "/tmp";
  return plan;
}

}  // namespace agentbox::escape
