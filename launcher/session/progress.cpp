#include "launcher/session/progress.h"

#include <chrono>
#include <cstdio>
#include <utility>

namespace agentbox::session {

namespace {

constexpr std::chrono::milliseconds kFirst(300), kNext(100);
constexpr char kClear[] = "\r\033[K";  // the line, from its beginning (ECMA-48, EL)

}  // namespace

Progress::Progress(std::function<std::string()> text)
    : text_(std::move(text)), thread_([this] { show(); }) {}

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
  for (auto pause = kFirst; !changed_.wait_for(lock, pause, [this] { return done_; });
       pause = kNext) {
    const std::string text = text_();
    if (!text.empty()) {
      std::fprintf(stderr, "%s%s", kClear, text.c_str());
    } else if (shown) {
      std::fputs(kClear, stderr);
    }
    std::fflush(stderr);
    shown = !text.empty();
  }
  if (shown) {
    std::fputs(kClear, stderr);
  }
}

}  // namespace agentbox::session
