// The search of a project's git history that goes with a session.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <thread>

#include "base/error.h"
#include "base/unique_fd.h"
#include "launcher/history/scan.h"
#include "launcher/session/prepared.h"
#include "launcher/session/recorder.h"
#include "policy/content_rules.h"
#include "policy/file_rules.h"

namespace agentbox::session {

// How to search this project's history under this policy. The rules must outlive it.
history::Options history_options(const Project& project, const policy::Policy& policy,
                                 const policy::FileRules& files,
                                 const policy::ContentRules& contents);

// The search runs in a process of its own, begun before the box: what it reads never is in the
// memory that the box's first process is a copy of, and no launch waits for it. It ends with this.
class HistorySearch {
 public:
  // Call while this process has a single thread and holds no value. Throws base::SystemError, and
  // kConfiguration for `history: "filter"`.
  explicit HistorySearch(const Prepared& prepared, const policy::FileRules& files);
  ~HistorySearch();
  HistorySearch(const HistorySearch&) = delete;
  HistorySearch& operator=(const HistorySearch&) = delete;

  // For `history: "refuse"`: waits for the end, with progress on a terminal. Throws base::Error:
  // kDenied if there is a secret, and what kept the search from being complete. Else returns at
  // once.
  void require_clean();

  // One line on standard error if secrets are known already: waits for that no longer than 150 ms
  // from the start, and not at all if something must be read first.
  void say();

  // Notes on the log what is found, when it is. Starts a thread; block signals meanwhile. The
  // recorder must outlive this.
  void record(Recorder& recorder);

 private:
  // What the process says, in one line of JSON each.
  struct Word;
  std::optional<Word> next(std::chrono::steady_clock::time_point until);
  void wait_and_record(Recorder& recorder);

  const policy::History choice_;
  const std::chrono::steady_clock::time_point start_;
  pid_t process_ = -1;
  base::UniqueFd words_;
  std::string buffer_;
  bool ended_ = false;
  std::optional<base::Error> failure_;
  std::thread thread_;
};

}  // namespace agentbox::session
