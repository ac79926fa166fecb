#include "launcher/session/sibling.h"

#include "launcher/session/caller.h"
#include "launcher/session/paths.h"
#include "launcher/session/seat.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;

// The two boxes have no other directory in common.
void check_directory(const std::string& directory, const Project& project) {
  if (!is_below(directory, project.root) || directory.find("/../") != std::string::npos ||
      directory.ends_with("/..")) {
    throw Error(Status::kNotFound, "the working directory is not in the project",
                "start it from a directory that both boxes have");
  }
}

}  // namespace

int run_sibling(const RunRequest& first, const Prepared& prepared, nursery::Order order) {
  Caller caller(std::move(order.link), order.nursery.get(), std::move(order.receipt),
                order.request.detach);
  try {
    check_directory(order.request.directory, prepared.project);
    Prepared own(prepared, order.request.scope, order.parameters);
    own.project.working_directory = order.request.directory;
    RunRequest request;
    request.scope = order.request.scope;
    request.view = first.view;
    request.fresh = true;
    request.quiet = true;
    request.messages = order.request.messages;
    request.command = order.request.arguments;
    const HeldProgram* program = nullptr;
    if (!order.request.command.empty()) {
      program = &prepared.commands.at(order.request.command);
      // What other boxes can write in the home would be this program's configuration.
      own.policy.home.write.clear();
    }
    const Seat seat{.place = {order.session, order.box, order.parent, order.chain},
                    .nursery = order.nursery.get(),
                    .program = program,
                    .caller = &caller,
                    .terminal = order.request.terminal,
                    .rows = order.request.rows,
                    .columns = order.request.columns};
    return run_seated(request, own, seat);
  } catch (const Error& error) {
    caller.refused(error);
    return static_cast<int>(error.status());
  } catch (const std::exception& error) {
    caller.refused(Error(Status::kFailed, error.what()));
    return static_cast<int>(Status::kFailed);
  }
}

}  // namespace agentbox::session
