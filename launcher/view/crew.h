// The threads that answer a session's requests. One alone waits for them: where a request comes
// after each answer, as from a program that reads file after file, waking now this thread and now
// that one takes longer than the answers do. The others join where requests queue up, or where the
// ones that work are all in requests that take long.
#pragma once

#include <fuse_lowlevel.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "base/unique_fd.h"

namespace agentbox::view {

class Crew {
 public:
  // Keeps references. `device` is the session's, O_NONBLOCK: no thread ever blocks in read(2),
  // where nothing could wake it.
  Crew(fuse_session* session, int device);
  ~Crew() { end(); }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // Starts `count` threads. Throws std::system_error; end() is then still to be called.
  void start(unsigned count);
  // Ends and joins them; each finishes the request that it is on.
  void end();

 private:
  void serve();
  // Until there may be a request, or the end.
  void wait(int events);
  // Until this thread is needed, or the end.
  void rest();
  bool needed_after_a_while(std::unique_lock<std::mutex>& lock);
  void enlist();
  void exit();

  fuse_session* const session_;
  const int device_;
  base::UniqueFd stop_;
  std::vector<std::thread> threads_;

  std::atomic<bool> waiting_ = false;  // a thread waits for requests
  std::atomic<std::uint64_t> taken_ = 0;
  std::atomic<bool> dozing_ = false;  // nobody looks whether a request takes long

  std::mutex mutex_;
  std::condition_variable changed_;
  unsigned resting_ = 0, wanted_ = 0;
  bool watched_ = false;  // one of those that rest looks at the others
};

}  // namespace agentbox::view
