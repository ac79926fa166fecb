// The programs of the policy's `commands`: found outside the box, once, and held to be what was
// found.
#pragma once

#include <sys/types.h>

#include <ctime>
#include <map>
#include <string>

#include "launcher/session/identity.h"
#include "launcher/session/project.h"
#include "policy/policy.h"

namespace agentbox::session {

// A program's file as it was found. Its change time tells of a change in place, and nobody but the
// kernel sets it (inode(7)).
struct HeldProgram {
  std::string name;  // of the command
  std::string path;  // absolute, no symbolic link in it
  dev_t device = 0;
  ino_t inode = 0;
  timespec changed = {};
};

using HeldPrograms = std::map<std::string, HeldProgram>;

// Each command's program, the first of its name in the user's PATH which all boxes see and none can
// write. Throws base::Error (kConfiguration) for one that is not there.
HeldPrograms find_commands(const policy::Policy& policy, const Identity& identity,
                           const Project& project);

// Throws base::Error (kCannotRun) if another file is there now, or this one was changed.
void require_unchanged(const HeldProgram& program);

// The entries of the user's PATH that boxes see and none can write.
std::string trusted_path(const policy::Policy& policy, const Identity& identity,
                         const Project& project);

}  // namespace agentbox::session
