#include "resolver/backends/op.h"

#include <sys/random.h>
#include <unistd.h>

#include <optional>
#include <string_view>
#include <utility>

#include "base/encode.h"
#include "base/error.h"
#include "resolver/backends/op_environment.h"
#include "resolver/backends/op_failure.h"

namespace agentbox::resolver {

namespace {

using Clock = std::chrono::steady_clock;

const char* find_variable(const char* const* environment, std::string_view name) {
  for (; *environment != nullptr; ++environment) {
    const std::string_view text = *environment;
    if (text.starts_with(name) && text.size() > name.size() && text[name.size()] == '=') {
      return *environment;
    }
  }
  return nullptr;
}

bool is_credential(std::string_view variable) {
  return variable.starts_with("OP_SERVICE_ACCOUNT_TOKEN=") ||
         variable.starts_with("OP_CONNECT_TOKEN=") || variable.starts_with(kOpSessionPrefix);
}

// Failures that every further call would meet again.
bool concerns_all(Failure failure) {
  return failure == Failure::kAuthRequired || failure == Failure::kAuthFailed ||
         failure == Failure::kRateLimited || failure == Failure::kTimeout;
}

std::string fresh_nonce() {
  char random[16];
  base::check(::getrandom(random, sizeof random, 0), "getrandom");
  return "agentbox-" + base::hex({random, sizeof random});
}

std::string begin_mark(const std::string& nonce, std::size_t i) {
  return nonce + "-" + std::to_string(i) + "-begin:";
}

std::string end_mark(const std::string& nonce, std::size_t i) {
  return ":" + nonce + "-" + std::to_string(i) + "-end\n";
}

// The batch as op's template. A parsed reference holds no brace and no line break, so it cannot end
// its own enclosure.
std::string make_template(const std::vector<Reference>& references, const std::string& nonce) {
  std::string text;
  for (std::size_t i = 0; i < references.size(); ++i) {
    text += begin_mark(nonce, i) + "{{ " + references[i].text + " }}" + end_mark(nonce, i);
  }
  return text;
}

// The values between the marks. Empty unless each mark stands there once and in order: the number
// of nonces in the whole output says that no value brought one of its own.
std::vector<Answer> cut_values(std::string_view output, std::size_t count,
                               const std::string& nonce) {
  std::size_t nonces = 0;
  for (std::size_t at = output.find(nonce); at != std::string_view::npos;
       at = output.find(nonce, at + nonce.size())) {
    ++nonces;
  }
  if (nonces != 2 * count) {
    return {};
  }
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < count; ++i) {
    const std::string begin = begin_mark(nonce, i);
    const std::size_t end = output.find(end_mark(nonce, i));
    if (!output.starts_with(begin) || end == std::string_view::npos) {
      return {};
    }
    answers.emplace_back(Value{Secret(output.substr(begin.size(), end - begin.size())), ""});
    output.remove_prefix(end + end_mark(nonce, i).size());
  }
  // op inject adds one line break of its own.
  if (!output.empty() && output != "\n") {
    return {};
  }
  return answers;
}

// One call of resolve(): the program, its environment, and what it has told so far.
class Call {
 public:
  Call(const OpBackend::Options& options, Clock::time_point deadline)
      : options_(options), deadline_(deadline) {}

  // Nothing if op was found.
  std::optional<Failed> prepare() {
    std::vector<std::string> avoid = options_.avoid;
    if (avoid.empty()) {
      avoid.push_back(".");
    }
    const char* path = find_variable(options_.environment, "PATH");
    const Search search =
        find_program("op", path != nullptr ? std::string_view(path).substr(5) : "", avoid);
    if (search.program.empty()) {
      if (!search.skipped.empty()) {
        return Failed{Failure::kUnavailable,
                      "the program op at " + base::printable(search.skipped) +
                          " is not trusted: it is in the project, or anyone may write it",
                      "install it elsewhere: https://developer.1password.com/docs/cli/get-started"};
      }
      return Failed{Failure::kUnavailable, "the program op is not in PATH",
                    "install 1Password CLI: https://developer.1password.com/docs/cli/get-started"};
    }
    program_ = search.program;
    path_ = "PATH=" + search.path;
    return std::nullopt;
  }

  std::vector<Answer> resolve(const std::vector<Reference>& references) {
    std::vector<Answer> answers;
    if (references.size() > 1) {
      answers = inject(references);
      if (!answers.empty()) {
        return answers;
      }
    }
    std::optional<Failed> common;
    for (const Reference& reference : references) {
      if (common) {
        answers.emplace_back(*common);
        continue;
      }
      answers.push_back(read(reference));
      const Failed* failed = std::get_if<Failed>(&answers.back());
      if (failed != nullptr && concerns_all(failed->failure)) {
        common = *failed;
      }
    }
    return answers;
  }

  bool has_sessions() const {
    for (const char* const* variable = options_.environment; *variable != nullptr; ++variable) {
      if (std::string_view(*variable).starts_with(kOpSessionPrefix)) {
        return true;
      }
    }
    return false;
  }

  void drop_sessions() { with_sessions_ = false; }

 private:
  Command command(std::vector<std::string> arguments) const {
    Command command;
    command.program = program_;
    command.arguments = std::move(arguments);
    command.environment = {path_.c_str(), "LANG=C"};
    for (const std::string_view name : kOpVariables) {
      if (const char* variable = find_variable(options_.environment, name)) {
        command.environment.push_back(variable);
      }
    }
    for (const char* const* variable = options_.environment; *variable != nullptr; ++variable) {
      if (with_sessions_ && std::string_view(*variable).starts_with(kOpSessionPrefix)) {
        command.environment.push_back(*variable);
      }
    }
    return command;
  }

  // Every answer, or none if single reads have to tell what is wrong.
  std::vector<Answer> inject(const std::vector<Reference>& references) {
    const std::string nonce = fresh_nonce();
    Command call = command({"op", "inject"});
    const std::string text = make_template(references, nonce);
    call.input = text;
    Finished finished = run(call, deadline_);
    if (std::optional<Failed> failed = failure_of(finished, references)) {
      std::vector<Answer> answers;
      for (std::size_t i = 0; concerns_all(failed->failure) && i < references.size(); ++i) {
        answers.emplace_back(*failed);
      }
      return answers;
    }
    return cut_values(finished.output.reveal(), references.size(), nonce);
  }

  Answer read(const Reference& reference) {
    Finished finished = run(command({"op", "read", "-n", reference.text}), deadline_);
    if (std::optional<Failed> failed = failure_of(finished, {reference})) {
      return *failed;
    }
    return Value{std::move(finished.output), ""};
  }

  std::optional<Failed> failure_of(Finished& finished, const std::vector<Reference>& references) {
    std::optional<Failed> failed;
    switch (finished.end) {
      case Finished::End::kTimedOut:
        failed = {Failure::kTimeout, "op did not answer in time and was stopped",
                  "unlock the 1Password app and look for its question; then start again"};
        break;
      case Finished::End::kTooMuchOutput:
        failed = {Failure::kInvalidResponse, "op printed more than 2 MiB and was stopped", ""};
        break;
      case Finished::End::kSignalled:
        failed = {Failure::kUnavailable, "op was ended by signal " + std::to_string(finished.code),
                  ""};
        break;
      case Finished::End::kExited:
        if (finished.code != 0) {
          failed = explain_op_failure(finished.errors, references);
          if (quotes_a_secret(finished)) {
            failed->message = "op failed, and its message quotes a secret; it is not shown";
          }
        }
    }
    wipe(finished.errors);
    return failed;
  }

  // Whether op's message holds one of its credentials, or what it had begun to print.
  bool quotes_a_secret(const Finished& finished) const {
    std::string_view output = finished.output.reveal();
    while (!output.empty() && output.back() == '\n') {
      output.remove_suffix(1);
    }
    if (!output.empty() && finished.errors.find(output) != std::string::npos) {
      return true;
    }
    for (const char* const* entry = options_.environment; *entry != nullptr; ++entry) {
      const std::string_view variable = *entry;
      if (is_credential(variable)) {
        const std::string_view value = variable.substr(variable.find('=') + 1);
        if (!value.empty() && finished.errors.find(value) != std::string::npos) {
          return true;
        }
      }
    }
    return false;
  }

  const OpBackend::Options& options_;
  Clock::time_point deadline_;
  std::string program_;
  std::string path_;
  bool with_sessions_ = true;
};

bool needs_sign_in(const std::vector<Answer>& answers) {
  for (const Answer& answer : answers) {
    const Failed* failed = std::get_if<Failed>(&answer);
    if (failed != nullptr &&
        (failed->failure == Failure::kAuthRequired || failed->failure == Failure::kAuthFailed)) {
      return true;
    }
  }
  return false;
}

}  // namespace

std::string OpBackend::meanwhile() const {
  if (connect_.configured() ||
      find_variable(options_.environment, "OP_SERVICE_ACCOUNT_TOKEN") != nullptr) {
    return {};
  }
  return "1Password may be waiting for your fingerprint or password: look for its window";
}

std::vector<Answer> OpBackend::resolve(const std::vector<Reference>& references,
                                       Clock::time_point deadline) {
  if (connect_.configured()) {
    return connect_.resolve(references, deadline);
  }
  Call call(options_, deadline);
  if (const std::optional<Failed> failed = call.prepare()) {
    std::vector<Answer> answers;
    for (std::size_t i = 0; i < references.size(); ++i) {
      answers.emplace_back(*failed);
    }
    return answers;
  }
  std::vector<Answer> answers = call.resolve(references);
  // A session variable that has expired hides the app integration, which may be signed in.
  if (needs_sign_in(answers) && call.has_sessions()) {
    call.drop_sessions();
    answers = call.resolve(references);
  }
  return answers;
}

}  // namespace agentbox::resolver
