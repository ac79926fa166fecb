#include "resolver/backends/op_failure.h"

#include <array>

#include "base/encode.h"

namespace agentbox::resolver {

namespace {

constexpr std::size_t kMessageLimit = 300;

struct Known {
  Failure failure;
  std::string_view text;  // in lower case
};

// In order: the first text found decides.
constexpr std::array<Known, 31> kKnown = {{
    {Failure::kRateLimited, "too many requests"},
    {Failure::kRateLimited, "rate limit"},
    {Failure::kAuthRequired, "not currently signed in"},
    {Failure::kAuthRequired, "not signed in"},
    {Failure::kAuthRequired, "no active session"},
    {Failure::kAuthRequired, "could not find session token"},
    {Failure::kAuthRequired, "no accounts configured"},
    {Failure::kAuthRequired, "signed in to an account"},
    {Failure::kAuthFailed, "session expired"},
    {Failure::kAuthFailed, "invalid session"},
    {Failure::kAuthFailed, "invalid token"},
    {Failure::kAuthFailed, "invalid service account"},
    {Failure::kAuthFailed, "unauthorized"},
    {Failure::kAuthFailed, "authenticat"},
    {Failure::kAuthFailed, "authorization"},
    {Failure::kAuthFailed, "error initializing client"},
    {Failure::kInvalidReference, "invalid secret reference"},
    {Failure::kAmbiguous, "more than one"},
    {Failure::kNotFound, "isn't an item"},
    {Failure::kNotFound, "isn't a vault"},
    {Failure::kNotFound, "isn't a field"},
    {Failure::kNotFound, "does not have a field"},
    {Failure::kNotFound, "doesn't have a field"},
    {Failure::kNotFound, "could not find"},
    {Failure::kNotFound, "not found"},
    {Failure::kPermissionDenied, "not in scope"},
    {Failure::kPermissionDenied, "forbidden"},
    {Failure::kPermissionDenied, "permission"},
    {Failure::kUnavailable, "could not retrieve vaults"},
    {Failure::kUnavailable, "connection"},
    {Failure::kUnavailable, "network"},
}};

const char* hint_for(Failure failure) {
  switch (failure) {
    case Failure::kAuthRequired:
      return "sign in with `eval $(op signin)`, switch on the 1Password app's \"Integrate with "
             "1Password CLI\", or export OP_SERVICE_ACCOUNT_TOKEN";
    case Failure::kAuthFailed:
      return "sign in again with `eval $(op signin)`, or renew OP_SERVICE_ACCOUNT_TOKEN or "
             "OP_CONNECT_TOKEN";
    case Failure::kRateLimited:
      return "wait; `op service-account ratelimit` shows what is left; references by ID cost fewer "
             "requests than by name";
    case Failure::kInvalidReference:
      return "in the 1Password app, copy it with \"Copy Secret Reference\"";
    case Failure::kAmbiguous:
      return "name the item by its ID: `op item list`";
    case Failure::kNotFound:
      return "look with `op item get ITEM --vault VAULT`; a service account sees only the vaults "
             "that it was granted";
    case Failure::kPermissionDenied:
      return "grant this account, or this token, the vault";
    default:
      return "try it yourself: `op read REFERENCE`";
  }
}

// Without "[ERROR] 2026/01/31 12:00:00 ".
std::string_view without_prefix(std::string_view line) {
  constexpr std::string_view kPrefix = "[ERROR] ";
  constexpr std::size_t kStamp = sizeof "2026/01/31 12:00:00 " - 1;
  if (line.starts_with(kPrefix)) {
    line.remove_prefix(kPrefix.size());
    if (line.size() > kStamp && line[4] == '/' && line[7] == '/' && line[13] == ':') {
      line.remove_prefix(kStamp);
    }
  }
  return line;
}

// op's first error line, or the first line that is not empty.
std::string_view first_line(std::string_view errors) {
  std::string_view first;
  while (!errors.empty()) {
    const std::size_t end = std::min(errors.find('\n'), errors.size());
    const std::string_view line = errors.substr(0, end);
    errors.remove_prefix(std::min(end + 1, errors.size()));
    if (line.starts_with("[ERROR]")) {
      return without_prefix(line);
    }
    if (first.empty()) {
      first = line;
    }
  }
  return first;
}

void remove_all(std::string& text, std::string_view part) {
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos;) {
    text.erase(at, part.size());
  }
}

// Lower case, and without references and quoted names: an item may be called "session expired".
std::string own_words(std::string_view errors, const std::vector<Reference>& names) {
  std::string text(errors);
  for (const Reference& name : names) {
    remove_all(text, name.text);
  }
  std::string result;
  bool quoted = false;
  for (const char c : text) {
    quoted = c == '\n' ? false : quoted != (c == '"');
    if (!quoted) {
      result += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  return result;
}

}  // namespace

Failed explain_op_failure(std::string_view errors, const std::vector<Reference>& names) {
  const std::string words = own_words(errors, names);
  Failure failure = Failure::kUnavailable;
  for (const Known& known : kKnown) {
    if (words.find(known.text) != std::string::npos) {
      failure = known.failure;
      break;
    }
  }
  std::string message = base::printable(first_line(errors).substr(0, kMessageLimit));
  if (message.empty()) {
    message = "op failed without a word";
  }
  return {failure, std::move(message), hint_for(failure)};
}

}  // namespace agentbox::resolver
