// Threads that leave signals to the session's own thread.
#pragma once

#include <signal.h>

#include <thread>
#include <utility>

namespace agentbox::egress {

// A std::thread in which every signal is blocked. Throws std::system_error.
template <typename Function>
std::thread quiet_thread(Function function) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  struct Restore {
    const sigset_t& mask;
    ~Restore() { ::pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } restore{before};
  return std::thread(std::move(function));
}

}  // namespace agentbox::egress
