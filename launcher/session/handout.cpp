#include "launcher/session/handout.h"

#include <utility>
#include <vector>

#include "audit/id.h"
#include "base/directories.h"
#include "base/error.h"
#include "launcher/session/identity.h"
#include "launcher/session/leases.h"
#include "launcher/session/project.h"
#include "launcher/session/recorder.h"
#include "launcher/session/release.h"
#include "launcher/session/store.h"

namespace agentbox::session {

namespace {

// Where the user stands need not be a project: a home directory is not one.
Project project_here(const Identity& identity) {
  try {
    return find_project(current_directory(), identity.home);
  } catch (const base::Error&) {
    return {};
  }
}

resolver::Secret release_one(Grant grant, const char* verb) {
  const Identity identity = current_identity();
  audit::Record common;
  common.session = audit::new_id();
  common.actor = identity.name + "/agentbox";
  common.command = verb;
  Recorder recorder(base::state_directory() + "/audit", std::move(common));
  resolver::Resolver resolver = make_resolver(project_here(identity), Ask::kTerminal, kUsersOwn);
  std::vector<Grant> grants;
  grants.push_back(std::move(grant));
  Leases leases(resolver, recorder);
  std::vector<Released> released = release(std::move(grants), resolver, recorder);
  leases.leave();
  return std::move(released.front().value);
}

}  // namespace

resolver::Secret hand_out(const std::string& reference, const std::string& delivery) {
  if (!resolver::is_reference(reference)) {
    const std::string why = resolver::near_miss(reference);
    throw base::Error(base::Status::kConfiguration,
                      why.empty() ? "this is no reference" : "this is no reference: " + why,
                      "write one like op://vault/item/field or local://NAME");
  }
  return release_one({.name = "read",
                      .env = {},
                      .file = delivery,
                      .source = resolver::parse_reference(reference),
                      .rule = "the command line"},
                     "read");
}

resolver::Secret fill_in(resolver::Template pieces, const std::string& rule,
                         const std::string& delivery) {
  return release_one(
      {.name = "inject", .env = {}, .file = delivery, .source = std::move(pieces), .rule = rule},
      "inject");
}

}  // namespace agentbox::session
