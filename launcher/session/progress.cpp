#include "launcher/session/progress.h"

#include <chrono>
#include <cstdio>
#include <utility>

namespace agentbox::session {

namespace {

constexpr std::chrono::milliseconds kFirst(300), kNext(100);
constexpr char kClear[] = "\r\033[K";  // the line, from its beginning (ECMA-48, EL)

}  // namespace

Progress::Progress(std::string what) : what_(std::move(what)), thread_([this] { show(); }) {}

Progress::~Progress() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void Progress::show() {
  bool shown = false;
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, shown ? kNext : kFirst, [this] { return done_; })) {
    std::fprintf(stderr, "%sagentbox: %s: %zu", kClear, what_.c_str(), count_.load());
    std::fflush(stderr);
    shown = true;
  }
  if (shown) {
    std::fputs(kClear, stderr);
  }
}

}  // namespace agentbox::session
