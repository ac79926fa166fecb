// Changed files that wait to be looked into, and the thread that does it: reading takes long, and
// what appears under a hidden name must not wait for that.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <tuple>

#include "launcher/masks/watches.h"

namespace agentbox::masks {

// Thread-safe, but for start() and stop().
class Backlog {
 public:
  enum class All {
    kNo,
    kShown,  // what is looked for has changed
    kEvery,  // nobody knows which files have changed
  };
  struct Work {
    // Called by the thread, one at a time.
    std::function<void(const Directory& directory, const std::string& name)> one;
    std::function<void(All all)> all;  // never kNo
    // One of them has thrown: the thread has ended. Called in its handler.
    std::function<void()> failed;
  };

  explicit Backlog(Work work) : work_(std::move(work)) {}
  ~Backlog() { stop(); }
  Backlog(const Backlog&) = delete;
  Backlog& operator=(const Backlog&) = delete;

  void start();
  // Waits for the one that is at work; the rest is dropped.
  void stop();

  // In the order in which they came: a box cannot push itself to the front.
  void add(const Directory& directory, std::string_view name);
  void add_all(All all);

 private:
  using Item = std::tuple<std::size_t, std::string, std::string>;  // tree, directory, name

  void serve();

  const Work work_;
  std::mutex mutex_;
  std::condition_variable added_;
  std::deque<Item> waiting_;
  std::set<Item> known_;  // the same
  All all_ = All::kNo;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace agentbox::masks
