#include "policy/environment_rules.h"

#include <algorithm>
#include <string>

#include "policy/glob.h"

namespace agentbox::policy {

namespace {

// Anywhere in the name.
constexpr std::string_view kCredentialParts[] = {
    "TOKEN",
    "SECRET",
    "PASSWORD",
    "PASSWD",
    "PASSPHRASE",
    "CREDENTIAL",
    "APIKEY",
    "API_KEY",
    "ACCESS_KEY",
    "ACCESSKEY",
    "PRIVATE_KEY",
    "PRIVATEKEY",
    "SIGNING_KEY",
    "ENCRYPTION_KEY",
    "MASTER_KEY",
    "AUTH_KEY",
    "SSH_KEY",
    "WEBHOOK",
    "CONNECTION_STRING",
    "ACCOUNT_KEY",
};
// Whole words between underscores.
constexpr std::string_view kCredentialWords[] = {
    "KEY",  "PASS", "PWD", "AUTH", "AUTHORIZATION", "BEARER", "COOKIE", "COOKIES", "CREDS",
    "CRED", "JWT",  "PAT", "PIN",  "PSK",           "SALT",   "DSN",    "OTP",     "SAS",
};
constexpr std::string_view kCredentialNames[] = {
    "DATABASE_URL",
    "REDIS_URL",
    "MONGO_URL",
    "MONGODB_URI",
    "MONGO_URI",
    "POSTGRES_URL",
    "MYSQL_URL",
    "AMQP_URL",
    "RABBITMQ_URL",
    "PGPASSFILE",
    "PGSERVICEFILE",
    "PYPIRC",
    "NETRC",
    "KUBECONFIG",
    "DOCKER_CONFIG",
    "AWS_PROFILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "MYSQL_PWD",
    "ANTHROPIC_CUSTOM_HEADERS",
    "GPG_AGENT_INFO",
    "SSH_AGENT_PID",
    "SSH_ASKPASS",
    "GIT_ASKPASS",
};
constexpr std::string_view kCredentialBeginnings[] = {
    "OP_SESSION_", "OP_CONNECT_", "OP_SERVICE_", "VAULT_", "DOPPLER_", "INFISICAL_", "BW_"};
// Words above that are ordinary in these names.
constexpr std::string_view kHarmless[] = {
    "PWD",
    "OLDPWD",
    "MAX_TOKENS",
    "CLAUDE_CODE_MAX_OUTPUT_TOKENS",
    "MAX_THINKING_TOKENS",
    "MAX_MCP_OUTPUT_TOKENS",
    "TOKENIZERS_PARALLELISM",
    "XKB_DEFAULT_KEY",
};

// Programs load or run what these name, or reach something outside the box by them.
constexpr std::string_view kDangerousBeginnings[] = {
    "LD_",        "DYLD_",     "GIT_",    "BASH_FUNC_", "NPM_CONFIG_", "npm_config_", "PERL5",
    "RUBY",       "JAVA_TOOL", "VSCODE_", "KITTY_",     "WEZTERM_",    "ZELLIJ",      "DOCKER_",
    "CONTAINER_", "XDG_",      "GCONV_",  "SYSTEMD_",   "CURSOR_",     "ITERM_",
};
constexpr std::string_view kDangerousNames[] = {
    "NODE_OPTIONS",
    "NODE_PATH",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONHOME",
    "BASH_ENV",
    "ENV",
    "IFS",
    "PS4",
    "PROMPT_COMMAND",
    "SHELLOPTS",
    "BASHOPTS",
    "ZDOTDIR",
    "HOME",
    "PATH",
    "SHELL",
    "USER",
    "LOGNAME",
    "PWD",
    "OLDPWD",
    "TMPDIR",
    "CDPATH",
    "LOCPATH",
    "NLSPATH",
    "TERMINFO",
    "TERMINFO_DIRS",
    "TERMCAP",
    "MALLOC_TRACE",
    "HOSTALIASES",
    "RESOLV_HOST_CONF",
    "RES_OPTIONS",
    "JAVA_OPTS",
    "_JAVA_OPTIONS",
    "CLASSPATH",
    "PAGER",
    "MANPAGER",
    "LESSOPEN",
    "LESSCLOSE",
    "BROWSER",
    "DBUS_SESSION_BUS_ADDRESS",
    "DBUS_SYSTEM_BUS_ADDRESS",
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "SESSION_MANAGER",
    "TMUX",
    "TMUX_PANE",
    "STY",
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "PULSE_SERVER",
    "NOTIFY_SOCKET",
    "LISTEN_FDS",
    "LISTEN_PID",
    "INVOCATION_ID",
    "NIX_REMOTE",
    "EMACS_SOCKET_NAME",
    "NVIM",
    "NVIM_LISTEN_ADDRESS",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "FTP_PROXY",
    "ftp_proxy",
};

// Language, time and the looks of the output.
constexpr std::string_view kOfText[] = {
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_COLLATE",
    "LC_MESSAGES",
    "LC_MONETARY",
    "LC_NUMERIC",
    "LC_TIME",
    "LC_ADDRESS",
    "LC_IDENTIFICATION",
    "LC_MEASUREMENT",
    "LC_NAME",
    "LC_PAPER",
    "LC_TELEPHONE",
    "TZ",
    "TERM",
    "COLORTERM",
    "NO_COLOR",
};

template <typename Range>
bool holds(const Range& range, std::string_view name) {
  return std::find(std::begin(range), std::end(range), name) != std::end(range);
}

template <typename Range>
bool begins(const Range& range, std::string_view name) {
  return std::any_of(std::begin(range), std::end(range), [&](std::string_view beginning) {
    return name.substr(0, beginning.size()) == beginning;
  });
}

std::string uppered(std::string_view text) {
  std::string upper(text);
  std::transform(upper.begin(), upper.end(), upper.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return upper;
}

}  // namespace

bool looks_like_credential(std::string_view variable_name) {
  const std::string name = uppered(variable_name);
  if (holds(kHarmless, name)) {
    return false;
  }
  if (holds(kCredentialNames, name) || begins(kCredentialBeginnings, name) ||
      std::any_of(std::begin(kCredentialParts), std::end(kCredentialParts),
                  [&](std::string_view part) { return name.find(part) != std::string::npos; })) {
    return true;
  }
  for (std::size_t start = 0; start <= name.size();) {
    const std::size_t end = std::min(name.find('_', start), name.size());
    if (holds(kCredentialWords, std::string_view(name).substr(start, end - start))) {
      return true;
    }
    start = end + 1;
  }
  return false;
}

bool steers_programs(std::string_view variable_name) {
  return holds(kDangerousNames, variable_name) || begins(kDangerousBeginnings, variable_name);
}

bool passes_to_command(std::string_view variable_name) { return holds(kOfText, variable_name); }

EnvironmentRules::EnvironmentRules(const Policy& policy) : pass_(policy.environment.pass) {}

bool EnvironmentRules::passes(std::string_view name) const {
  if (name.empty() || looks_like_credential(name)) {
    return false;
  }
  const bool dangerous = steers_programs(name);
  return std::any_of(pass_.begin(), pass_.end(), [&](const Pattern& pattern) {
    if (dangerous) {
      const bool own = pattern.layer == Layer::kUser || pattern.layer == Layer::kCommandLine;
      return own && pattern.text == name;
    }
    return NameGlob(pattern.text).matches(name, Case::kExact);
  });
}

}  // namespace agentbox::policy
