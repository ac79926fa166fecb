// boxed [OPTION…] -- PROGRAM [ARGUMENT…]: runs one program in a box made from options, without a
// session. For tests that need a launcher as a process of its own (fault injection, SIGKILL).
//
//   --probe DIR        shown read-only at /probe       --nested       leave user namespaces open
//   --bind SRC=DST     read-only bind                  --bind-rw SRC=DST
//   --directory DIR    working directory               --terminal     give the program a PTY
//   --processes N, --files N, --memory BYTES           limits
//   --wait FILE        before the launch, wait until FILE exists
//   --environment NAME=VALUE
//
// Exit status: the program's, 128+N, or the error's.
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "base/number.h"
#include "launcher/box/box.h"
#include "tests/escape/system_plan.h"

namespace agentbox::escape {

namespace {

struct Options {
  box::Plan plan;
  box::Launch launch;
  std::string wait;
};

Options parse(int count, char** words) {
  Options options;
  std::string environment("PATH=/usr/bin:/bin\0HOME=/tmp\0", 29);
  std::string probe;
  std::vector<box::Bind> binds;
  box::Plan extra;
  int i = 1;
  for (; i < count && std::strcmp(words[i], "--") != 0; ++i) {
    const std::string name = words[i];
    const auto value = [&]() -> std::string {
      if (++i >= count) {
        throw base::Error(base::Status::kConfiguration, name + " needs a value");
      }
      return words[i];
    };
    const auto bind = [&](bool writable) {
      const std::string text = value();
      const std::size_t equals = text.find('=');
      binds.push_back({text.substr(0, equals), text.substr(equals + 1), writable});
    };
    if (name == "--probe") {
      probe = value();
    } else if (name == "--bind") {
      bind(false);
    } else if (name == "--bind-rw") {
      bind(true);
    } else if (name == "--nested") {
      extra.user_namespaces = true;
    } else if (name == "--terminal") {
      extra.terminal = true;
    } else if (name == "--directory") {
      extra.working_directory = value();
    } else if (name == "--processes") {
      extra.limits.processes = base::parse_number(value());
    } else if (name == "--files") {
      extra.limits.files = base::parse_number(value());
    } else if (name == "--memory") {
      extra.limits.memory = base::parse_size(value());
    } else if (name == "--wait") {
      options.wait = value();
    } else if (name == "--environment") {
      environment += value() + '\0';
    } else {
      throw base::Error(base::Status::kConfiguration, "unknown option " + name);
    }
  }
  for (++i; i < count; ++i) {
    options.launch.arguments.emplace_back(words[i]);
  }
  if (options.launch.arguments.empty()) {
    throw base::Error(base::Status::kConfiguration, "no program");
  }
  options.launch.program = options.launch.arguments[0];
  options.launch.environment = resolver::Secret(environment);
  options.plan = system_plan(probe);
  options.plan.binds.insert(options.plan.binds.end(), binds.begin(), binds.end());
  options.plan.user_namespaces = extra.user_namespaces;
  options.plan.terminal = extra.terminal;
  options.plan.limits = extra.limits;
  if (!extra.working_directory.empty()) {
    options.plan.working_directory = extra.working_directory;
  }
  return options;
}

// Copies what can be read now; false at the end.
bool copy(int from, int to) {
  char buffer[65536];
  const ssize_t size = ::read(from, buffer, sizeof buffer);
  if (size <= 0) {
    return size < 0 && (errno == EINTR || errno == EAGAIN);
  }
  base::write_all(to, std::string_view(buffer, static_cast<std::size_t>(size)));
  return true;
}

int run(Options options) {
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  box::Box box = box::Box::start(options.plan);
  box::Handles handles = box.handles();
  box.wait_ready();
  while (!options.wait.empty() && ::access(options.wait.c_str(), F_OK) != 0) {
    ::usleep(1000);
  }
  box.launch(options.launch);
  handles.input.reset();
  pollfd events[] = {{box.event_descriptor(), POLLIN, 0},
                     {handles.terminal ? handles.terminal.get() : handles.output.get(), POLLIN, 0},
                     {handles.error.get(), POLLIN, 0}};
  std::optional<int> status;
  while (!status || events[1].fd >= 0 || events[2].fd >= 0) {
    ::poll(events, 3, -1);
    if (events[0].revents != 0) {
      const auto event = box.next_event();
      if (event && event->kind == box::Event::Kind::kExited) {
        status = event->status;
        events[0].fd = -1;
      }
    }
    for (int i : {1, 2}) {
      if (events[i].fd >= 0 && events[i].revents != 0 && !copy(events[i].fd, i)) {
        events[i].fd = -1;
      }
    }
  }
  return WIFEXITED(*status) ? WEXITSTATUS(*status) : 128 + WTERMSIG(*status);
}

}  // namespace

}  // namespace agentbox::escape

int main(int argc, char** argv) {
  try {
    return agentbox::escape::run(agentbox::escape::parse(argc, argv));
  } catch (const agentbox::base::Error& error) {
    std::fprintf(stderr, "boxed: %s\n", error.what());
    if (!error.hint().empty()) {
      std::fprintf(stderr, "  %s\n", error.hint().c_str());
    }
    return static_cast<int>(error.status());
  }
}
