#include "tests/escape/attempt.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>
#include <stdexcept>
#include <string_view>

#include "base/unique_fd.h"
#include "tests/escape/system_plan.h"

namespace agentbox::escape {

namespace {

// Adds what can be read; false at the end.
bool collect(int fd, std::string& text) {
  char buffer[65536];
  const ssize_t size = ::read(fd, buffer, sizeof buffer);
  if (size > 0) {
    text.append(buffer, static_cast<std::size_t>(size));
  }
  return size > 0;
}

}  // namespace

std::vector<std::string> Outcome::all(const std::string& name) const {
  std::vector<std::string> values;
  std::istringstream lines(output);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(name + "=")) {
      values.push_back(line.substr(name.size() + 1));
    }
  }
  return values;
}

std::string Outcome::operator[](const std::string& name) const {
  const auto values = all(name);
  return values.empty() ? "" : values.back();
}

std::string program_directory() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  const std::string program(path, static_cast<std::size_t>(length));
  return program.substr(0, program.rfind('/'));
}

box::Plan probe_plan() { return system_plan(program_directory()); }

Outcome run_in_box(const box::Plan& plan, const std::vector<std::string>& arguments) {
  box::Box box = box::Box::start(plan);
  box::Handles handles = box.handles();
  box.wait_ready();
  box::Launch launch;
  launch.program = arguments.at(0);
  launch.arguments = arguments;
  launch.environment = resolver::Secret(std::string_view("PATH=/usr/bin\0HOME=/tmp\0", 24));
  box.launch(launch);
  handles.input.reset();
  Outcome outcome;
  pollfd events[] = {{box.event_descriptor(), POLLIN, 0},
                     {handles.terminal ? handles.terminal.get() : handles.output.get(), POLLIN, 0},
                     {handles.error.get(), POLLIN, 0}};
  std::string* texts[] = {nullptr, &outcome.output, &outcome.error};
  while (events[0].fd >= 0 || events[1].fd >= 0 || events[2].fd >= 0) {
    ::poll(events, 3, -1);
    if (events[0].fd >= 0 && events[0].revents != 0) {
      const auto event = box.next_event();
      if (event && event->kind == box::Event::Kind::kExited) {
        outcome.status = event->status;
        events[0].fd = -1;
      }
    }
    for (int i : {1, 2}) {
      if (events[i].fd >= 0 && events[i].revents != 0 && !collect(events[i].fd, *texts[i])) {
        events[i].fd = -1;
      }
    }
  }
  return outcome;
}

Outcome probe_in_box(const std::vector<std::string>& arguments, const box::Plan& plan) {
  std::vector<std::string> words = {"/probe/probe"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run_in_box(plan, words);
}

Outcome run_outside(const std::vector<std::string>& arguments) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) < 0) {
    throw std::runtime_error("pipe2");
  }
  base::UniqueFd ours(ends[0]), theirs(ends[1]);
  const pid_t child = ::fork();
  if (child == 0) {
    ::setsid();
    ::dup2(theirs.get(), 1);
    ::dup2(theirs.get(), 2);
    std::vector<char*> words;
    for (const std::string& argument : arguments) {
      words.push_back(const_cast<char*>(argument.c_str()));
    }
    words.push_back(nullptr);
    ::execv(words[0], words.data());
    ::_exit(127);
  }
  theirs.reset();
  Outcome outcome;
  while (collect(ours.get(), outcome.output)) {
  }
  ::waitpid(child, &outcome.status, 0);
  return outcome;
}

Outcome probe_outside(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {program_directory() + "/probe"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return run_outside(words);
}

}  // namespace agentbox::escape
