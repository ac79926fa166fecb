// From grants to values in hand, every step on the log first.
#pragma once

#include <string>
#include <vector>

#include "launcher/session/grants.h"
#include "launcher/session/recorder.h"
#include "resolver/cache.h"
#include "resolver/resolver.h"

namespace agentbox::session {

struct Released {
  std::string name, env, file;
  resolver::Secret value;
  bool sensitive = true;
  bool leased = false;  // made for this session, and renewed while it lasts

  // What it is called where a value is judged by its name.
  const std::string& key() const { return env.empty() ? name : env; }
};

// One reference that has to be resolved, for the grant of that name.
struct Wanted {
  std::string name;
  resolver::Reference reference;
  resolver::CacheTerms terms;
};
std::vector<Wanted> wanted(const std::vector<Grant>& grants);

// While a command runs, stores are asked whatever the cache holds, and the terminal is the
// command's.
enum class Look { kLaunch, kAgain };

// One Resolution each, in order, every one recorded. Blocks for up to a minute, and at a launch
// says on a terminal for whom it waits.
std::vector<resolver::Resolution> resolve(const std::vector<Wanted>& all,
                                          resolver::Resolver& resolver, Recorder& recorder,
                                          Look look = Look::kLaunch);

// Takes the grant's value out of the resolutions of wanted(), in which `next` is its first one and
// then that of the next grant. None of them may have failed.
resolver::Secret take_value(Grant& grant, std::vector<resolver::Resolution>& resolutions,
                            std::size_t& next);

// Resolves everything, records each resolution, then each release, and syncs the log. Throws Error
// (kConfiguration) that names each reference that failed; nothing is released then.
std::vector<Released> release(std::vector<Grant> grants, resolver::Resolver& resolver,
                              Recorder& recorder, Look look = Look::kLaunch);

// The user's cache of values; empty unless policies ask for it.
resolver::Cache open_cache();

}  // namespace agentbox::session
