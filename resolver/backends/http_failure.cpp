#include "resolver/backends/http_failure.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/encode.h"
#include "base/error.h"
#include "base/nearest.h"
#include "base/unique_fd.h"

namespace agentbox::resolver {

namespace {

constexpr std::size_t kMostWords = 300;
constexpr std::size_t kMostNames = 8;
constexpr std::size_t kLargestCredential = 64 << 10;

}  // namespace

Failed explain_http_failure(const HttpFailure& failure, std::string_view address,
                            std::string_view authority) {
  const std::string look = "look at " + std::string(address);
  switch (failure.kind) {
    case HttpFailure::Kind::kUnreachable:
      return {Failure::kUnavailable, failure.message, look + ", and at the network (HTTPS_PROXY)"};
    case HttpFailure::Kind::kUntrusted:
      return {Failure::kUnavailable, failure.message,
              "name the PEM file of the server's certificate authority in " +
                  std::string(authority) + "; verification cannot be switched off"};
    case HttpFailure::Kind::kTimeout:
      return {Failure::kTimeout, failure.message, look + ", and at the network (HTTPS_PROXY)"};
    case HttpFailure::Kind::kTooLarge:
      return {Failure::kInvalidResponse, failure.message, look};
    case HttpFailure::Kind::kRedirected:
      return {Failure::kUnavailable, failure.message + "; credentials do not follow it there",
              "put that address into " + std::string(address) + " if it is the right one"};
    case HttpFailure::Kind::kRefused:
      return {Failure::kUnavailable, failure.message,
              "write an https:// address into " + std::string(address)};
    case HttpFailure::Kind::kCancelled:
      break;
  }
  return {Failure::kUnavailable, failure.message, ""};
}

Failed rate_limited(const std::string& message, std::chrono::seconds wait) {
  return {Failure::kRateLimited, message,
          wait.count() > 0 ? "try again in " + std::to_string(wait.count()) + " seconds"
                           : "wait a minute, then try again"};
}

std::string server_words(std::string_view words,
                         std::initializer_list<std::string_view> credentials) {
  for (const std::string_view credential : credentials) {
    if (!credential.empty() && words.find(credential) != std::string_view::npos) {
      return "its message quotes a credential and is not shown";
    }
  }
  return base::printable(words.substr(0, kMostWords));
}

std::string suggest(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string nearest = base::nearest(name, candidates);
  if (!nearest.empty()) {
    return "did you mean " + base::printable(nearest) + "?";
  }
  std::string list;
  for (std::size_t i = 0; i < candidates.size() && i < kMostNames; ++i) {
    list += (i == 0 ? "there is " : ", ") + base::printable(candidates[i]);
  }
  return candidates.size() > kMostNames ? list + ", …" : list;
}

std::vector<Answer> same_answer(const Failed& failed, std::size_t count) {
  std::vector<Answer> answers;
  for (std::size_t i = 0; i < count; ++i) {
    answers.emplace_back(failed);
  }
  return answers;
}

Secret read_credential_file(const std::string& path) {
  const base::UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file && (errno == ENOENT || errno == ENOTDIR)) {
    return {};
  }
  const std::string shown = base::printable(path);
  base::check(file.get(), "open", shown);
  struct stat status = {};
  base::check(::fstat(file.get(), &status), "look at", shown);
  const bool foreign = status.st_uid != ::geteuid() && status.st_uid != 0;
  if (!S_ISREG(status.st_mode) || foreign || (status.st_mode & S_IWOTH) != 0) {
    throw base::Error(base::Status::kConfiguration,
                      shown +
                          " is not a file that only you may write, so its credential is not "
                          "used",
                      "look whose it is: `ls -l " + shown + "`");
  }
  Secret secret = read_secret(file.get(), kLargestCredential, shown);
  std::string_view text = secret.reveal();
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) {
    text.remove_suffix(1);
  }
  secret.shrink(text.size());
  return secret;
}

}  // namespace agentbox::resolver
