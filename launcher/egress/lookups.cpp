#include "launcher/egress/lookups.h"

#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "launcher/egress/quiet_thread.h"

namespace agentbox::egress {

struct Lookups::State {
  std::function<Resolution(const std::string&)> resolve;
  std::mutex mutex;
  std::deque<std::pair<std::string, std::function<void(Resolution)>>> waiting;
  unsigned threads = 0;
  bool ended = false;
};

Lookups::Lookups(std::function<Resolution(const std::string&)> resolve)
    : state_(std::make_shared<State>()) {
  state_->resolve = std::move(resolve);
}

Lookups::~Lookups() {
  const std::lock_guard lock(state_->mutex);
  state_->ended = true;
  state_->waiting.clear();
}

void Lookups::start(std::string host, std::function<void(Resolution)> done) {
  const std::lock_guard lock(state_->mutex);
  state_->waiting.emplace_back(std::move(host), std::move(done));
  if (state_->threads == kThreads) {
    return;
  }
  try {
    quiet_thread([state = state_] { work(state); }).detach();
    ++state_->threads;
  } catch (const std::system_error&) {
    // With no thread at all nobody would ever answer; with one, it takes this look-up too.
    if (state_->threads == 0) {
      const auto give_up = std::move(state_->waiting.back().second);
      state_->waiting.pop_back();
      give_up({{}, "no thread can be started"});
    }
  }
}

void Lookups::work(const std::shared_ptr<State>& state) {
  std::unique_lock lock(state->mutex);
  while (!state->waiting.empty()) {
    const auto [host, done] = std::move(state->waiting.front());
    state->waiting.pop_front();
    lock.unlock();
    Resolution resolution = state->resolve(host);
    lock.lock();
    if (!state->ended) {
      done(std::move(resolution));
    }
  }
  --state->threads;
}

}  // namespace agentbox::egress
