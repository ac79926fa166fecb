// The search of a project's git history that goes with a session.
#pragma once

#include <sys/types.h>

#include <string>
#include <thread>
#include <vector>

#include "base/unique_fd.h"
#include "launcher/history/filter.h"
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
  // Call while this process has a single thread and holds no value. Throws base::SystemError. Both
  // must outlive this.
  HistorySearch(const Prepared& prepared, const policy::FileRules& files);
  ~HistorySearch();
  HistorySearch(const HistorySearch&) = delete;
  HistorySearch& operator=(const HistorySearch&) = delete;

  // For `history: "refuse"` and "filter": waits for the end, with progress on a terminal. Throws
  // base::Error: kDenied if there is a secret or one that cannot be left out, and what kept the
  // search from being complete. Else returns at once. Returns what the box must not see as it is:
  // nothing unless it is "filter".
  std::vector<history::Filtered> settle();

  // One line on standard error if secrets were left out, or are known from an earlier search and
  // nothing has changed since. Waits for nothing and reads no object.
  void say() const;

  // Notes on the log what is found, when it is, or what was left out. May start a thread; block
  // signals meanwhile. The recorder must outlive this.
  void record(Recorder& recorder);

 private:
  // What the process says, in one line of JSON, before it ends.
  struct Word;
  Word wait();
  void wait_and_record(Recorder& recorder);

  const Prepared& prepared_;
  const policy::FileRules& files_;
  const policy::History choice_;
  std::size_t left_out_ = 0;  // secrets
  pid_t process_ = -1;
  base::UniqueFd words_;
  std::thread thread_;
};

}  // namespace agentbox::session
