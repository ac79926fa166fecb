#include "launcher/session/history.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
#include "launcher/session/progress.h"
#include "launcher/session/worktree.h"
#include "resolver/process.h"

namespace agentbox::session {

namespace {

using base::Error;
using base::Status;
using nlohmann::json;

constexpr int kNice = 10;  // the box comes first
constexpr const char* kTellsMore = "agentbox scan --history";

std::string counted(std::size_t secrets) {
  return std::to_string(secrets) + (secrets == 1 ? " secret" : " secrets") + " in git history";
}

void say_word(int fd, const json& word) {
  base::write_all(fd, word.dump(-1, ' ', false, json::error_handler_t::replace) + "\n");
}

json done(const history::Report& report, const std::vector<history::Filtered>& filtered) {
  json list = json::array();
  for (const history::Filtered& one : filtered) {
    json ids = json::array();
    for (const history::ObjectId& id : one.ids) {
      ids.push_back(id.hex());
    }
    list.push_back(
        {{"directory", one.directory}, {"replacement", one.replacement}, {"ids", std::move(ids)}});
  }
  return {{"secrets", report.secrets()}, {"searched", report.searched}, {"filtered", list}};
}

std::vector<history::Filtered> filtered_from(const json& said) {
  std::vector<history::Filtered> list;
  for (const json& one : said.at("filtered")) {
    history::Filtered filtered = {.directory = one.at("directory").get<std::string>(),
                                  .replacement = one.at("replacement").get<std::string>(),
                                  .ids = {}};
    for (const json& id : one.at("ids")) {
      filtered.ids.push_back(history::ObjectId::parse(id.get<std::string>()).value());
    }
    list.push_back(std::move(filtered));
  }
  return list;
}

bool is_awaited(policy::History choice) { return choice != policy::History::kWarn; }

// The whole life of the searching process.
void search(const history::Options& options, int words, policy::History choice) {
  history::Options mine = options;
  history::Progress progress;
  mine.progress = &progress;
  try {
    history::Scan scan(mine);
    std::optional<Progress> line;
    if (is_awaited(choice) && ::isatty(STDERR_FILENO) == 1) {
      line.emplace([&progress] {
        return "agentbox: searching the git history: " + std::to_string(progress.done.load()) +
               " of " + std::to_string(progress.total.load()) + " objects";
      });
    }
    const history::Report report = scan.run();
    line.reset();
    std::vector<history::Filtered> filtered;
    if (choice == policy::History::kFilter) {
      filtered = history::make_filters(report, mine.program, mine.state);
    }
    say_word(words, done(report, filtered));
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
  bool ended = false;  // it was searched, or there is an error
  std::size_t secrets = 0;
  std::size_t searched = 0;
  std::vector<history::Filtered> filtered = {};
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
    : prepared_(prepared), files_(files), choice_(prepared.policy.history) {
  int ends[2];
  base::check(::pipe2(ends, O_CLOEXEC), "pipe");
  words_.reset(ends[0]);
  const base::UniqueFd writer(ends[1]);
  const pid_t parent = ::getpid();
  process_ = static_cast<pid_t>(base::check(::fork(), "fork"));
  if (process_ == 0) {
    become_searcher(parent, is_awaited(choice_));
    try {
      const policy::ContentRules contents(prepared.policy);
      search(history_options(prepared.project, prepared.policy, files, contents), writer.get(),
             choice_);
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

HistorySearch::Word HistorySearch::wait() {
  std::string line;
  char bytes[4096];
  for (;;) {
    const ssize_t n = ::read(words_.get(), bytes, sizeof bytes);
    if (n > 0) {
      line.append(bytes, static_cast<std::size_t>(n));
    } else if (n == 0 || errno != EINTR) {
      break;
    }
  }
  Word word;
  if (line.empty() || line.back() != '\n') {
    return word;
  }
  const json said = json::parse(line);
  word.secrets = said.value("secrets", std::size_t{0});
  word.searched = said.value("searched", std::size_t{0});
  word.ended = true;
  if (said.contains("error")) {
    word.error.emplace(static_cast<Status>(said.value("status", static_cast<int>(Status::kFailed))),
                       said.at("error").get<std::string>(), said.value("hint", std::string()));
  } else {
    word.filtered = filtered_from(said);
  }
  return word;
}

std::vector<history::Filtered> HistorySearch::settle() {
  if (!is_awaited(choice_)) {
    return {};
  }
  Word word = wait();
  if (!word.ended) {
    throw Error(Status::kFailed, "the search of the git history ended early",
                std::string("`") + kTellsMore + "` shows why");
  }
  if (word.error) {
    throw *word.error;
  }
  if (choice_ == policy::History::kFilter) {
    left_out_ = word.secrets;
    return std::move(word.filtered);
  }
  if (word.secrets > 0) {
    throw Error(Status::kDenied,
                counted(word.secrets) + ", and the policy says \"history\": \"refuse\"",
                std::string("`") + kTellsMore + "` lists them and says how to get rid of them");
  }
  return {};
}

void HistorySearch::say() const {
  if (left_out_ > 0) {
    std::fprintf(stderr, "agentbox: %s left out (%s)\n", counted(left_out_).c_str(), kTellsMore);
  }
  if (choice_ != policy::History::kWarn) {
    return;
  }
  try {
    const policy::ContentRules contents(prepared_.policy);
    const std::optional<history::Report> known =
        history::Scan(history_options(prepared_.project, prepared_.policy, files_, contents))
            .known();
    if (known && known->secrets() > 0) {
      std::fprintf(stderr, "agentbox: %s (%s)\n", counted(known->secrets()).c_str(), kTellsMore);
    }
  } catch (const Error&) {
    // What cannot be looked at cannot be searched either: the log will say so.
  }
}

void HistorySearch::record(Recorder& recorder) {
  if (left_out_ > 0) {
    audit::Record record;
    record.event = "history";
    record.outcome = counted(left_out_) + " left out";
    recorder.note(std::move(record));
  }
  if (choice_ == policy::History::kWarn) {
    thread_ = std::thread([this, &recorder] { wait_and_record(recorder); });
  }
}

void HistorySearch::wait_and_record(Recorder& recorder) {
  const Word word = wait();
  audit::Record record;
  record.event = "history";
  if (word.error) {
    record.outcome = "not searched";
    record.error = word.error->what();
  } else if (word.secrets > 0) {
    record.outcome = counted(word.secrets);
    record.reason = std::to_string(word.searched) + " new objects searched";
  } else {
    return;
  }
  recorder.note(std::move(record));
}

}  // namespace agentbox::session
