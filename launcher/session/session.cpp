#include "launcher/session/session.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "launcher/control/directory.h"
#include "launcher/control/roster.h"
#include "launcher/control/server.h"
#include "launcher/nursery/asking.h"
#include "launcher/session/accounts.h"
#include "launcher/session/approvals.h"
#include "launcher/session/desk.h"
#include "launcher/session/environment.h"
#include "launcher/session/history.h"
#include "launcher/session/late_secrets.h"
#include "launcher/session/leases.h"
#include "launcher/session/liaison.h"
#include "launcher/session/mask_keeper.h"
#include "launcher/session/own_program.h"
#include "launcher/session/paths.h"
#include "launcher/session/prepared.h"
#include "launcher/session/program.h"
#include "launcher/session/review.h"
#include "launcher/session/rotation.h"
#include "launcher/session/seat.h"
#include "launcher/session/sibling.h"
#include "launcher/session/store.h"
#include "launcher/session/world.h"
#include "launcher/terminal/relay.h"
#include "resolver/secret.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;

// The box as the relay sees it; a record that could not be written ends the command too, and so
// does the end of who asked for the box.
class BoxProcess : public terminal::Process {
 public:
  // `terminal` is the PTY's master, if there is a caller who may change its size.
  BoxProcess(box::Box& box, Recorder& recorder, const Caller* caller, base::UniqueFd terminal)
      : box_(box),
        recorder_(recorder),
        caller_(caller),
        terminal_(std::move(terminal)),
        either_(static_cast<int>(base::check(::epoll_create1(EPOLL_CLOEXEC), "epoll_create"))) {
    watch(box.event_descriptor());
    watch(recorder.failure_descriptor());
    if (caller != nullptr) {
      watch(caller->session());
      if (caller->link() >= 0) {
        watch(caller->link());
      }
    }
  }

  int event_descriptor() const override { return either_.get(); }

  std::optional<Event> next_event() override {
    epoll_event event = {};
    if (::epoll_wait(either_.get(), &event, 1, 0) > 0 && must_end(event.data.fd)) {
      box_.kill();
      return Event{Change::kExited, SIGKILL};
    }
    const std::optional<box::Event> next = box_.next_event();
    if (!next) {
      return std::nullopt;
    }
    switch (next->kind) {
      case box::Event::Kind::kStopped:
        return Event{Change::kStopped, next->status};
      case box::Event::Kind::kContinued:
        return Event{Change::kContinued, next->status};
      case box::Event::Kind::kExited:
        break;
    }
    return Event{Change::kExited, next->status};
  }

  void signal(int number) override { box_.signal(number); }

 private:
  void watch(int fd) {
    epoll_event event = {.events = EPOLLIN, .data = {.fd = fd}};
    base::check(::epoll_ctl(either_.get(), EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
  }

  bool must_end(int ready) const {
    return ready == recorder_.failure_descriptor() ||
           (caller_ != nullptr &&
            (ready == caller_->session() ||
             (ready == caller_->link() && !caller_->listen(box_, terminal_.get()))));
  }

  box::Box& box_;
  Recorder& recorder_;
  const Caller* caller_;
  base::UniqueFd terminal_;
  base::UniqueFd either_;
};

// Threads that start meanwhile leave all signals to the main thread, which relays them.
class SignalsBlocked {
 public:
  SignalsBlocked() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~SignalsBlocked() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalsBlocked(const SignalsBlocked&) = delete;
  SignalsBlocked& operator=(const SignalsBlocked&) = delete;

 private:
  sigset_t before_ = {};
};

// The supervisor serves files and connections for the whole box; the box has its own limit already.
void raise_descriptor_limit() {
  rlimit limit = {};
  base::check(::getrlimit(RLIMIT_NOFILE, &limit), "getrlimit", "RLIMIT_NOFILE");
  limit.rlim_cur = limit.rlim_max;
  base::check(::setrlimit(RLIMIT_NOFILE, &limit), "setrlimit", "RLIMIT_NOFILE");
}

// No value of this process may reach a core file or another process of the user's.
void harden() {
  base::check(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl", "PR_SET_DUMPABLE");
  const rlimit none = {0, 0};
  base::check(::setrlimit(RLIMIT_CORE, &none), "setrlimit", "RLIMIT_CORE");
}

bool has_terminal() { return ::isatty(STDIN_FILENO) == 1 && ::isatty(STDOUT_FILENO) == 1; }

bool speaks(const RunRequest& request) { return !request.quiet && ::isatty(STDERR_FILENO) == 1; }

void say_start(const std::string& id, const RunRequest& request, const Project& project,
               const policy::Policy& policy, Tier tier, std::size_t secrets) {
  if (!speaks(request)) {
    return;
  }
  std::fprintf(stderr, "agentbox: session %s, scope %s, %zu secret%s, project %s (%s), %s\n",
               id.c_str(), base::printable(request.scope).c_str(), secrets, secrets == 1 ? "" : "s",
               base::printable(project.root).c_str(),
               tier == Tier::kLive ? "live view" : "masks: weaker than the live view",
               policy.network.empty() ? "no network" : "listed hosts only");
}

void learn(MaskKeeper& masks, const std::vector<Released>& released, const RunRequest& request,
           Recorder& recorder) {
  if (!request.masking) {
    audit::Record record;
    record.event = "mask";
    record.outcome = "off";
    record.reason = "--no-masking";
    recorder.write(std::move(record));
    return;
  }
  for (const std::string& name : masks.learn(released)) {
    std::fprintf(stderr, "agentbox: secret %s is too short to be masked in the output\n",
                 base::printable(name).c_str());
    audit::Record record;
    record.event = "mask";
    record.subject = name;
    record.outcome = "too short";
    recorder.write(std::move(record));
  }
}

// A value that the box gets while the command runs: everyone who must know it does, before the box
// can.
void deliver_late(const std::vector<Released>& released, MaskKeeper& masks, World& world,
                  const box::Handles& handles) {
  if (const std::vector<std::string> short_ones = masks.learn(released); !short_ones.empty()) {
    throw Error(Status::kDenied, "secret \"" + base::printable(short_ones.front()) +
                                     "\" is too short to be masked in the output");
  }
  world.know(released);
  for (const Released& one : released) {
    World::write_secret(handles, one);
  }
}

Rotation::Deliver rotated(MaskKeeper& masks, World& world, const box::Handles& handles) {
  return
      [&](const std::vector<Released>& released) { deliver_late(released, masks, world, handles); };
}

LateSecrets::Delivery open_late(LateSecrets& late, MaskKeeper& masks, World& world,
                                const box::Handles& handles) {
  const SignalsBlocked blocked;
  return late.open([&](const std::vector<Released>& released) {
    deliver_late(released, masks, world, handles);
  });
}

// Where no scope asks, the reserved key is the command's.
bool asks(const policy::Policy& policy) {
  return std::any_of(policy.scopes.begin(), policy.scopes.end(), [](const auto& scope) {
    return scope.second.approve.value_or(policy::Approve::kNever) != policy::Approve::kNever;
  });
}

terminal::Streams streams(box::Handles& handles, const RunRequest& request) {
  terminal::Streams result;
  result.terminal = std::move(handles.terminal);
  result.input = std::move(handles.input);
  result.output = std::move(handles.output);
  result.error = std::move(handles.error);
  result.messages = request.messages;
  return result;
}

int exit_status(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

audit::Record life_record(const Seat& seat, const char* outcome) {
  audit::Record record;
  record.event = seat.caller == nullptr ? "session" : "box";
  record.outcome = outcome;
  return record;
}

void require_filterable(Tier tier, bool review) {
  if (tier == Tier::kLive && !review) {
    return;
  }
  throw Error(Status::kConfiguration,
              std::string("\"history\": \"filter\" cannot be had ") +
                  (review ? "with --review" : "without the live view"),
              review ? "leave --review away, or say \"refuse\" in the policy"
                     : "`agentbox doctor` says what the live view lacks; or say \"refuse\"");
}

// PATH in the box.
std::string path_of(const Prepared& prepared, const Seat& seat, const World& world) {
  if (seat.program != nullptr) {
    return trusted_path(prepared.policy, prepared.identity, prepared.project);
  }
  const char* search_path = std::getenv("PATH");
  const std::string path =
      visible_path(search_path == nullptr ? "" : search_path,
                   [&](const std::string& entry) { return world.shows(entry); });
  if (world.shows_shims()) {
    return std::string(kProgramDirectory) + ":" + path;
  }
  return world.shows_own_program() ? path + ":" + kProgramDirectory : path;
}

// From a started box to its end.
int drive(const RunRequest& request, const Prepared& prepared, const Seat& seat,
          std::vector<Grant> grants, World& world, Tier tier, const std::string& program,
          const audit::Record& common, Recorder& recorder, HistorySearch& history) {
  world.filter(history.settle());
  const std::string path = path_of(prepared, seat, world);

  box::Box box = box::Box::start(world.plan());
  raise_descriptor_limit();
  box::Handles handles = box.handles();
  Approvals approvals(prepared.identity.name, handles.terminal && seat.caller == nullptr, recorder);
  LateSecrets late(prepared, common, grants, recorder,
                   seat.caller == nullptr ? &approvals.queue() : nullptr);
  std::optional<broker::Broker> broker;
  {
    const SignalsBlocked blocked;
    world.serve(handles);
    broker.emplace(broker::listen_at(handles.secrets.get(), broker::kSocketName),
                   broker_context(prepared, tier, common, grants, late, recorder, seat.nursery,
                                  seat.program != nullptr));
  }

  const policy::Scope& scope = prepared.policy.scopes.at(request.scope);
  resolver::Resolver resolver = make_resolver(prepared.project, Ask::kTerminal,
                                              find_account(scope, prepared.project, recorder));
  Leases leases(resolver, recorder);
  MaskKeeper masks(request.masking);
  Rotation rotation(prepared.project, scope, grants, recorder, rotated(masks, world, handles));
  const std::vector<Released> released = release(std::move(grants), resolver, recorder);
  {
    const SignalsBlocked blocked;
    leases.keep();
  }
  learn(masks, released, request, recorder);
  world.know(released);
  for (const Released& one : released) {
    if (!one.file.empty()) {
      World::write_secret(handles, one);
    }
  }
  std::map<std::string, std::string> variables =
      (seat.program != nullptr ? command_environment : plain_environment)(
          prepared.policy, prepared.identity, path, prepared.project.working_directory);
  variables["AGENTBOX_SESSION"] = common.session;
  variables["AGENTBOX_SOCKET"] = join(box::kSecretsDirectory, broker::kSocketName);
  box::Launch launch;
  launch.arguments = request.command;
  launch.program = program;
  launch.environment = environment_block(variables, released);
  box.wait_ready();
  {
    const SignalsBlocked blocked;
    world.finish(speaks(request));
  }
  if (handles.terminal && seat.caller != nullptr) {
    const winsize window = {
        .ws_row = seat.rows, .ws_col = seat.columns, .ws_xpixel = 0, .ws_ypixel = 0};
    base::check(::ioctl(handles.terminal.get(), TIOCSWINSZ, &window), "set up", "the terminal");
  } else if (handles.terminal) {
    terminal::adopt_settings(STDIN_FILENO, handles.terminal.get());
  }
  say_start(common.session, request, prepared.project, prepared.policy, tier, released.size());
  if (!request.quiet) {
    history.say();
  }
  {
    const SignalsBlocked blocked;
    history.record(recorder);
  }
  control::Roster roster;
  std::optional<control::Server> control;
  std::optional<control::Roster::Place> place;
  if (seat.caller == nullptr) {
    control::Handlers handlers = roster.handlers();
    approvals.add_to(handlers);
    handlers.merge(rotation_handlers(rotation));
    control.emplace(control::run_directory(), common.session, std::move(handlers));
    place.emplace(roster.enter({.box = common.box,
                                .parent = {},
                                .scope = common.scope,
                                .chain = common.scope,
                                .command = request.command.front(),
                                .parameters = common.parameters,
                                .process = box.process(),
                                .end = {}}));
  } else if (seat.caller->gone()) {
    throw Error(Status::kFailed, "the box that asked for this one has ended");
  } else {
    nursery::announce(seat.nursery, box.process().get());
  }
  const LateSecrets::Delivery delivery = open_late(late, masks, world, handles);
  std::optional<Liaison> liaison;
  {
    const SignalsBlocked blocked;
    rotation.start(released);
    if (seat.liaison >= 0) {
      liaison.emplace(seat.liaison, approvals.queue(), roster);
    }
  }
  if (seat.program != nullptr) {
    require_unchanged(*seat.program);
  }
  box.launch(launch);
  base::UniqueFd terminal;
  if (seat.caller != nullptr) {
    seat.caller->started();
    if (handles.terminal) {
      terminal.reset(static_cast<int>(base::check(
          ::fcntl(handles.terminal.get(), F_DUPFD_CLOEXEC, 0), "duplicate", "the terminal")));
    }
  }
  BoxProcess process(box, recorder, seat.caller, std::move(terminal));
  // A sibling has no one at its terminal to ask.
  const bool ask = seat.caller == nullptr && asks(prepared.policy);
  resolver::wipe_stack();  // for as long as the box runs, no value is left there
  const int status =
      terminal::relay(streams(handles, request), process, masks.set(), ask ? &approvals : nullptr);
  liaison.reset();
  approvals.queue().close();
  box.kill();
  world.settle();
  recorder.rethrow_failure();
  return status;
}

std::string command_program(const RunRequest& request, const Prepared& prepared, const Seat& seat,
                            const World& world) {
  if (seat.program != nullptr) {
    require_unchanged(*seat.program);
    return seat.program->path;
  }
  const std::string own = join(kProgramDirectory, "agentbox");
  const std::string& name = request.command.front();
  if (world.shows_own_program() && (name == "agentbox" || name == own)) {
    return own;
  }
  if (world.shows_shims() && prepared.commands.count(name) != 0) {
    return join(kProgramDirectory, name);
  }
  const char* search_path = std::getenv("PATH");
  return find_program(name, search_path == nullptr ? "" : search_path,
                      prepared.project.working_directory,
                      [&](const std::string& path) { return world.shows(path); });
}

// All that exists while the box does; a layer is mounted until this returns.
int run_in_world(const RunRequest& request, const Prepared& prepared, const Seat& seat,
                 const Decisions& decisions, std::optional<review::Layer>& layer) {
  std::vector<Grant> grants = collect_grants(prepared.policy, request.scope, prepared.project,
                                             prepared.layers.templates, request.env_files);
  const Tier tier = choose_tier(prepared.policy, request.view, request.review);
  if (prepared.policy.history == policy::History::kFilter) {
    require_filterable(tier, request.review);
  }
  const audit::Record common = common_record(prepared, request, seat.place);
  Recorder recorder(base::state_directory() + "/audit", common);
  HistorySearch history(prepared, decisions.files);
  World world(prepared.identity, prepared.project, prepared.policy, decisions, recorder,
              {.terminal = !request.messages && seat.terminal,
               .fresh = request.fresh,
               .tier = tier,
               .commands = seat.program != nullptr ? HeldPrograms() : prepared.commands});
  for (const Grant& grant : grants) {
    if (!grant.file.empty()) {
      world.deliver_file(grant.name, grant.file);
    }
  }
  const std::string program = command_program(request, prepared, seat, world);
  if (request.review) {
    layer.emplace(review::Layer::create(
        review_directory(), review_manifest(prepared, request, common.session, world.parts())));
    world.cover(*layer);
    layer->wait_for_clock();
  }

  harden();
  audit::Record start = life_record(seat, "start");
  start.reason = std::string("files: ") + tier_name(tier);
  recorder.write(std::move(start));
  try {
    const int status = drive(request, prepared, seat, std::move(grants), world, tier, program,
                             common, recorder, history);
    audit::Record end = life_record(seat, "end");
    end.reason = "exit status " + std::to_string(exit_status(status));
    recorder.write(std::move(end));
    if (seat.caller != nullptr) {
      seat.caller->ended(status);
    }
    return exit_status(status);
  } catch (const Error& error) {
    audit::Record end = life_record(seat, "failed");
    end.error = error.what();
    recorder.note(std::move(end));
    throw;
  }
}

// Before any value is in memory, and any thread is there.
std::optional<nursery::Nursery> start_nursery(const RunRequest& request, const Prepared& prepared,
                                              const Place& place) {
  // What a layer holds would be missed by a sibling, whose changes would not go into it.
  if (request.review || !nursery::may_spawn(prepared.policy, request.scope)) {
    return std::nullopt;
  }
  return nursery::Nursery::start({.policy = prepared.unbound,
                                  .parameters = prepared.parameters,
                                  .session = place.session,
                                  .box = place.box,
                                  .scope = request.scope,
                                  .actor = common_record(prepared, request, place).actor,
                                  .run = [&](nursery::Order order) {
                                    return run_sibling(request, prepared, std::move(order));
                                  }});
}

}  // namespace

int run_seated(const RunRequest& request, const Prepared& prepared, const Seat& seat) {
  const Decisions decisions(prepared.policy, request.scope);
  std::optional<review::Layer> layer;
  try {
    const int status = run_in_world(request, prepared, seat, decisions, layer);
    if (layer) {
      end_layer(*layer, decisions.files, request.quiet);
    }
    return status;
  } catch (...) {
    if (layer) {
      end_layer(*layer, decisions.files, request.quiet);
    }
    throw;
  }
}

int run(const RunRequest& request) {
  const Prepared prepared(request);
  Seat seat;
  seat.place = first_place(request.scope);
  seat.terminal = has_terminal();
  const std::optional<nursery::Nursery> nursery = start_nursery(request, prepared, seat.place);
  if (nursery) {
    seat.nursery = nursery->socket();
    seat.liaison = nursery->liaison();
  }
  return run_seated(request, prepared, seat);
}

}  // namespace agentbox::session
