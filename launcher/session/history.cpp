#include "launcher/session/history.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/directories.h"
#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/session/paths.h"
#include "launcher/session/worktree.h"
#include "resolver/process.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;
using nlohmann::json;
using Clock = std::chrono::steady_clock;

constexpr auto kPatience = std::chrono::milliseconds(150);
constexpr int kNice = 10;  // the box comes first
constexpr const char* kTellsMore = "agentbox scan --history";

std::string counted(std::size_t secrets) {
  return std::to_string(secrets) + (secrets == 1 ? " secret" : " secrets") + " in git history";
}

// Says how far a search has come, once it takes long enough for someone to wonder.
class ProgressLine {
 public:
  explicit ProgressLine(const history::Progress& progress) : progress_(progress) {
    if (::isatty(STDERR_FILENO) == 1) {
      thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
    }
  }

 private:
  void run(const std::stop_token& stop) const {
    bool shown = false;
    for (int ticks = 1; !stop.stop_requested(); ++ticks) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (ticks % 10 == 0) {
        shown = true;
        std::fprintf(stderr, "\r\x1b[Kagentbox: searching the git history: %zu of %zu objects",
                     progress_.done.load(), progress_.total.load());
      }
    }
    if (shown) {
      std::fputs("\r\x1b[K", stderr);
    }
  }

  const history::Progress& progress_;
  std::jthread thread_;
};

void note_failure(const Error& error, Recorder& recorder) {
  audit::Record record;
  record.event = "history";
  record.outcome = "not searched";
  record.error = error.what();
  recorder.note(std::move(record));
}

void say_word(int fd, const json& word) {
  base::write_all(fd, word.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

json done(const history::Report& report) {
  return {{"done", true}, {"secrets", report.secrets()}, {"searched", report.searched}};
}

// The whole life of the searching process.
void search(const history::Options& options, int words, bool awaited) {
  history::Options mine = options;
  history::Progress progress;
  mine.progress = &progress;
  try {
    history::Scan scan(mine);
    std::optional<history::Report> known;
    if (!awaited) {
      known = scan.known();
      say_word(words, {{"secrets", known ? known->secrets() : 0}});
    }
    std::optional<ProgressLine> line;
    if (awaited) {
      line.emplace(progress);
    }
    const history::Report report = scan.run();
    line.reset();
    say_word(words, done(report));
  } catch (const Error& error) {
    say_word(words, {{"error", error.what()},
                     {"hint", error.hint()},
                     {"status", static_cast<int>(error.status())}});
  } catch (const std::exception& error) {
    say_word(words, {{"error", error.what()}});
  }
}

void become_searcher(pid_t parent, bool awaited) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) {
    ::_exit(1);
  }
  // What is in the objects must not reach a core file.
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  const rlimit none = {0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  if (awaited) {
    return;
  }
  ::setpgid(0, 0);  // Ctrl-C is for the command
  ::setpriority(PRIO_PROCESS, 0, kNice);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(null, fd);
  }
}

}  // namespace

struct HistorySearch::Word {
  bool done = false;
  std::size_t secrets = 0;
  std::size_t searched = 0;
  std::optional<Error> error = {};
};

history::Options history_options(const Project& project, const policy::Policy& policy,
                                 const policy::FileRules& files,
                                 const policy::ContentRules& contents) {
  const char* path = std::getenv("PATH");
  const std::string git = common_git_directory(project.root);
  return {.root = project.root,
          .git_directory = is_below(git, project.root) ? "" : git,
          .files = &files,
          .contents = &contents,
          .rules = history::rules_digest(policy),
          .program = resolver::find_program("git", path == nullptr ? "" : path,
                                            {project.root, project.working_directory})
                         .program,
          .state = base::state_directory() + "/history"};
}

HistorySearch::HistorySearch(const Prepared& prepared, const policy::FileRules& files)
    : choice_(prepared.policy.history), start_(Clock::now()) {
  if (choice_ == policy::History::kFilter) {
    throw Error(Status::kConfiguration,
                "the policy says \"history\": \"filter\", which this version cannot do",
                "say \"refuse\" to start only where the history holds no secret, or \"warn\"");
  }
  const bool awaited = choice_ == policy::History::kRefuse;
  int ends[2];
  base::check(::pipe2(ends, O_CLOEXEC), "pipe");
  words_.reset(ends[0]);
  const base::UniqueFd writer(ends[1]);
  const pid_t parent = ::getpid();
  process_ = static_cast<pid_t>(base::check(::fork(), "fork"));
  if (process_ == 0) {
    become_searcher(parent, awaited);
    try {
      const policy::ContentRules contents(prepared.policy);
      search(history_options(prepared.project, prepared.policy, files, contents), writer.get(),
             awaited);
    } catch (...) {  // nobody listens any more
    }
    ::_exit(0);
  }
}

HistorySearch::~HistorySearch() {
  ::kill(process_, SIGKILL);
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

std::optional<HistorySearch::Word> HistorySearch::next(Clock::time_point until) {
  for (;;) {
    if (const std::size_t end = buffer_.find('\n'); end != std::string::npos) {
      const json word = json::parse(buffer_.substr(0, end));
      buffer_.erase(0, end + 1);
      Word result = {.done = word.value("done", false),
                     .secrets = word.value("secrets", std::size_t{0}),
                     .searched = word.value("searched", std::size_t{0})};
      if (word.contains("error")) {
        result.error.emplace(
            static_cast<Status>(word.value("status", static_cast<int>(Status::kFailed))),
            word.at("error").get<std::string>(), word.value("hint", std::string()));
      }
      return result;
    }
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(until - Clock::now()).count();
    pollfd ready = {.fd = words_.get(), .events = POLLIN, .revents = 0};
    const int limit = until == Clock::time_point::max()
                          ? -1
                          : static_cast<int>(std::clamp<long>(left, 0, kPatience.count()));
    const int polled = ::poll(&ready, 1, limit);
    if (polled < 0 && errno == EINTR) {
      continue;
    }
    char bytes[4096];
    const ssize_t n = polled > 0 ? ::read(words_.get(), bytes, sizeof bytes) : 0;
    if (n <= 0) {
      ended_ = polled != 0;
      return std::nullopt;
    }
    buffer_.append(bytes, static_cast<std::size_t>(n));
  }
}

void HistorySearch::require_clean() {
  if (choice_ != policy::History::kRefuse) {
    return;
  }
  const std::optional<Word> word = next(Clock::time_point::max());
  if (!word) {
    throw Error(Status::kFailed, "the search of the git history ended early",
                std::string("`") + kTellsMore + "` shows why");
  }
  if (word->error) {
    throw *word->error;
  }
  if (word->secrets > 0) {
    throw Error(Status::kDenied,
                counted(word->secrets) + ", and the policy says \"history\": \"refuse\"",
                std::string("`") + kTellsMore + "` lists them and says how to get rid of them");
  }
}

void HistorySearch::say() {
  if (choice_ != policy::History::kWarn) {
    return;
  }
  const std::optional<Word> word = next(start_ + kPatience);
  if (!word) {
    return;
  }
  if (word->error) {
    failure_ = word->error;
    std::fprintf(stderr, "agentbox: the git history cannot be searched: %s\n",
                 base::printable(word->error->what()).c_str());
  } else if (word->secrets > 0) {
    std::fprintf(stderr, "agentbox: %s (%s)\n", counted(word->secrets).c_str(), kTellsMore);
  }
}

void HistorySearch::record(Recorder& recorder) {
  if (failure_) {
    note_failure(*failure_, recorder);
  } else if (choice_ == policy::History::kWarn) {
    thread_ = std::thread([this, &recorder] { wait_and_record(recorder); });
  }
}

void HistorySearch::wait_and_record(Recorder& recorder) {
  while (!ended_) {
    const std::optional<Word> word = next(Clock::time_point::max());
    if (!word) {
      continue;
    }
    if (word->error) {
      note_failure(*word->error, recorder);
    } else if (word->done && word->secrets > 0) {
      audit::Record record;
      record.event = "history";
      record.outcome = counted(word->secrets);
      record.reason = std::to_string(word->searched) + " new objects searched";
      recorder.note(std::move(record));
    }
  }
}

}  // namespace agentbox::session
