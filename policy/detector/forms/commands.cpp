// Passwords among the words of a command: options that the programs' manual pages give.
#include <algorithm>

#include "policy/detector/bytes.h"
#include "policy/detector/placeholder.h"
#include "policy/detector/randomness.h"
#include "policy/detector/scan.h"

namespace agentbox::policy::detect {

namespace {

constexpr std::size_t kNone = std::string_view::npos;
constexpr std::size_t kLongestCommand = 600;  // bytes

struct Option {
  std::string_view name;  // with the blank or without, as it is written
  bool login;             // "user:password", of which the part after the colon counts
};

// A command's line with those that it goes on in.
std::string_view command_after(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  while (end < text.size() && end - begin < kLongestCommand) {
    if (text[end] == '\n' &&
        (end == begin ||
         (text[end - 1] != '\\' && !(end > 1 && text[end - 1] == '\r' && text[end - 2] == '\\')))) {
      break;
    }
    if (text[end] == '|' || (text[end] == ';' && text[end - 1] == ' ')) {
      break;
    }
    ++end;
  }
  return text.substr(begin, end - begin);
}

bool is_password_word(std::string_view value) {
  return value.size() >= 5 && !is_reference(value) && !is_placeholder(value) && value[0] != '-' &&
         value[0] != '$' && !is_harmless(value) &&
         (std::any_of(value.begin(), value.end(),
                      [](char c) { return !is(c, kLetter | kDash | kUnderscore); }) ||
          strangeness(value) >= 0.3 || is_jumbled(value));
}

void options_of(Scan& scan, std::size_t begin, std::span<const Option> options) {
  const std::string_view command = command_after(scan.text, begin);
  scan.command_end = begin + command.size();
  scan.command_options = options.data();
  for (const Option& option : options) {
    for (std::size_t at = command.find(option.name); at != kNone;
         at = command.find(option.name, at + 1)) {
      if (at > 0 && !is(command[at - 1], kSpace) && command[at - 1] != '"' &&
          command[at - 1] != ',') {
        continue;
      }
      std::size_t from = at + option.name.size();
      while (from < command.size() && is(command[from], kSpace)) {
        ++from;
      }
      char quote = 0;
      if (from < command.size() && (command[from] == '"' || command[from] == '\'')) {
        quote = command[from++];
      }
      std::size_t to = from;
      while (to < command.size() && command[to] != quote && command[to] != '\n' &&
             (quote != 0 || (!is(command[to], kSpace) && command[to] != '"' &&
                             command[to] != '\'' && command[to] != '`'))) {
        ++to;
      }
      if (option.login) {
        const std::string_view login = command.substr(from, to - from);
        const std::size_t colon = login.find_first_of(":%,");
        if (colon == kNone) {
          continue;
        }
        if (colon + 1 < login.size()) {
          from += colon + 1;
        } else if (to + 1 < command.size() && quote == 0 &&
                   (command[to] == '\'' || command[to] == '"')) {
          from = to + 1;  // user:'password'
          to = std::min(command.find(command[to], from), command.size());
        } else {
          to = from + colon;  // "key:", without a password
        }
      }
      if (from < to && is_password_word(command.substr(from, to - from)) &&
          scan.counts(begin + from, begin + to)) {
        scan.add(begin + from, begin + to, form_kind(kCommandLinePassword), kByForm);
      }
    }
  }
}

bool is_command(const Scan& scan, std::size_t begin, std::size_t end) {
  return (begin == 0 || !is(scan.text[begin - 1], kWord | kDash | kDot)) &&
         end < scan.text.size() &&
         (is(scan.text[end], kSpace) || scan.text[end] == '"' || is(scan.text[end], kLower));
}

template <const auto& options>
void command(Scan& scan, std::size_t begin, std::size_t end) {
  if (is_command(scan, begin, end) &&
      (begin >= scan.command_end || scan.command_options != options)) {
    options_of(scan, end, options);
  }
}

// A statement or a function whose string is the password.
void quoted_after(Scan& scan, std::size_t, std::size_t end) {
  const std::string_view text = scan.text;
  std::size_t from = end;
  while (from < text.size() && from - end < 16 && text[from] != '\'' && text[from] != '"') {
    if (!is(text[from], kSpace | kDash | kLetter) && text[from] != '(') {
      return;
    }
    ++from;
  }
  if (from >= text.size() || from - end >= 16) {
    return;
  }
  const std::size_t begin = from + 1;
  const std::string_view rest = text.substr(begin, 200);
  const std::size_t length = rest.find(text[from]);
  if (length != kNone && rest.substr(0, length).find('\n') == kNone &&
      is_password_word(rest.substr(0, length)) && scan.counts(begin, begin + length)) {
    scan.add(begin, begin + length, form_kind(kPassword), kByForm);
  }
}

constexpr Option kCurl[] = {{"-u ", true},     {"--user ", true},       {"-u", true},
                            {"--user=", true}, {"--proxy-user ", true}, {"-U ", true}};
constexpr Option kPassword[] = {{"-p", false}, {"-p ", false}};
constexpr Option kMysql[] = {{"-p", false}};
constexpr Option kRedis[] = {{"-a ", false}, {"--pass ", false}};
constexpr Option kBind[] = {{"-w ", false}};
constexpr Option kSamba[] = {{"-U ", true}, {"--user=", true}};
constexpr Option kPassin[] = {
    {"-passin pass:", false}, {"-passout pass:", false}, {"-pass pass:", false}, {"pass:", false}};

constexpr FormTrigger kTriggers[] = {
    {"identified by ", true, quoted_after},
    {"ConvertTo-SecureString ", true, quoted_after},
    {"curl", false, command<kCurl>},
    {"wget", false, command<kCurl>},
    {"sshpass", false, command<kPassword>},
    {"docker login", false, command<kPassword>},
    {"podman login", false, command<kPassword>},
    {"helm registry login", false, command<kPassword>},
    {"az login", false, command<kPassword>},
    {"oc login", false, command<kPassword>},
    {"mysql", false, command<kMysql>},
    {"mariadb", false, command<kMysql>},
    {"mongo", false, command<kPassword>},
    {"redis-cli", false, command<kRedis>},
    {"ldapsearch", false, command<kBind>},
    {"ldapadd", false, command<kBind>},
    {"ldapmodify", false, command<kBind>},
    {"smbclient", false, command<kSamba>},
    {"openssl", false, command<kPassin>},
};

}  // namespace

std::span<const FormTrigger> command_triggers() { return kTriggers; }

}  // namespace agentbox::policy::detect
