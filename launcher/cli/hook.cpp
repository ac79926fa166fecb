#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/encode.h"
#include "base/error.h"
#include "base/file.h"
#include "launcher/cli/verbs.h"
#include "launcher/session/shell.h"

namespace agentbox::cli {

namespace {

namespace po = boost::program_options;
using base::Error;
using base::Status;

constexpr Usage kUsage = {
    "agentbox hook bash | zsh | fish",
    "Prints a hook for your shell: in a trusted repository whose policy has a scope \"shell\", "
    "its\n"
    "variables are set in this shell alone, and gone when you leave. An agent that is started "
    "from\n"
    "the shell by `agentbox run` does not get them but by its own scope.",
    "  eval \"$(agentbox hook bash)\"        # in ~/.bashrc\n"
    "  eval \"$(agentbox hook zsh)\"         # in ~/.zshrc\n"
    "  agentbox hook fish | source         # in ~/.config/fish/config.fish\n"};

// Each runs `agentbox hook load SHELL LOADED` when the directory has changed, and evaluates what it
// prints: calls of the two functions. They keep what a variable held before. `set +x`: a trace must
// not show values. A variable that was inherited from a shell with the hook has no value before.
constexpr char kBash[] = R"hook(declare -gA _agentbox_before=()
_agentbox_loaded= _agentbox_at=
_agentbox_set() {
  if [[ " ${AGENTBOX_SHELL_VARIABLES-} " != *" $1 "* ]]; then
    [[ -n ${!1+set} ]] && _agentbox_before[$1]=${!1}
    export AGENTBOX_SHELL_VARIABLES="${AGENTBOX_SHELL_VARIABLES:+$AGENTBOX_SHELL_VARIABLES }$1"
  fi
  export "$1=$2"
}
_agentbox_leave() {
  local name
  for name in ${AGENTBOX_SHELL_VARIABLES-}; do
    if [[ -n ${_agentbox_before[$name]+set} ]]; then
      export "$name=${_agentbox_before[$name]}"
    else
      unset "$name"
    fi
  done
  _agentbox_before=() _agentbox_loaded=
  unset AGENTBOX_SHELL_VARIABLES
}
_agentbox_hook() {
  local _agentbox_status=$?
  if [[ $PWD != "$_agentbox_at" ]]; then
    local -
    { set +x; } 2>/dev/null
    _agentbox_at=$PWD
    eval "$(command agentbox hook load bash "$_agentbox_loaded")"
  fi
  return $_agentbox_status
}
if [[ ${PROMPT_COMMAND-} != *_agentbox_hook* ]]; then
  PROMPT_COMMAND="_agentbox_hook${PROMPT_COMMAND:+;$PROMPT_COMMAND}"
fi
)hook";

constexpr char kZsh[] = R"hook(typeset -gA _agentbox_before
typeset -g _agentbox_loaded= _agentbox_at=
_agentbox_set() {
  if [[ " ${AGENTBOX_SHELL_VARIABLES-} " != *" $1 "* ]]; then
    (( ${(P)+1} )) && _agentbox_before[$1]=${(P)1}
    export AGENTBOX_SHELL_VARIABLES="${AGENTBOX_SHELL_VARIABLES:+$AGENTBOX_SHELL_VARIABLES }$1"
  fi
  export "$1=$2"
}
_agentbox_leave() {
  local name
  for name in ${=AGENTBOX_SHELL_VARIABLES-}; do
    if (( ${+_agentbox_before[$name]} )); then
      export "$name=${_agentbox_before[$name]}"
    else
      unset "$name"
    fi
  done
  _agentbox_before=() _agentbox_loaded=
  unset AGENTBOX_SHELL_VARIABLES
}
_agentbox_hook() {
  if [[ $PWD != "$_agentbox_at" ]]; then
    { setopt localoptions noxtrace; } 2>/dev/null
    _agentbox_at=$PWD
    eval "$(command agentbox hook load zsh "$_agentbox_loaded")"
  fi
}
autoload -Uz add-zsh-hook
add-zsh-hook precmd _agentbox_hook
)hook";

constexpr char kFish[] = R"hook(set -g _agentbox_loaded ''
function _agentbox_set
    if not contains -- $argv[1] (string split ' ' -- "$AGENTBOX_SHELL_VARIABLES")
        set -q $argv[1]; and set -g _agentbox_before_$argv[1] $$argv[1]
        set -gx AGENTBOX_SHELL_VARIABLES (string trim -- "$AGENTBOX_SHELL_VARIABLES $argv[1]")
    end
    set -gx $argv[1] $argv[2]
end
function _agentbox_leave
    for name in (string split -n ' ' -- "$AGENTBOX_SHELL_VARIABLES")
        set -l before _agentbox_before_$name
        if set -q $before
            set -gx $name $$before
            set -e $before
        else
            set -e -g $name
        end
    end
    set -g _agentbox_loaded ''
    set -e -g AGENTBOX_SHELL_VARIABLES
end
function _agentbox_hook --on-variable PWD --on-event fish_prompt
    if test "$PWD" != "$_agentbox_at"
        set -g _agentbox_at $PWD
        command agentbox hook load fish "$_agentbox_loaded" | source
    end
end
)hook";

// One word of the shell, whatever is in it.
void append_quoted(resolver::SecretBuilder& text, std::string_view word, bool fish) {
  text.append("'");
  for (const char& c : word) {
    if (fish && (c == '\'' || c == '\\')) {
      text.append("\\");
      text.append({&c, 1});
    } else if (c == '\'') {
      text.append("'\\''");
    } else {
      text.append({&c, 1});
    }
  }
  text.append("'");
}

void say(const std::string& line) {
  if (::isatty(STDERR_FILENO) == 1) {
    std::fprintf(stderr, "agentbox: %s\n", line.c_str());
  }
}

// "ROOT POLICY", to know it again.
std::string mark(const session::ShellProject& project) {
  return project.root.empty() ? "" : project.policy + " " + project.root;
}

// What the shell is to evaluate; `loaded` is the mark it holds.
int load(bool fish, const std::string& loaded) {
  if (std::getenv("AGENTBOX_SESSION") != nullptr) {
    return 0;  // in a box: its variables are its scope's
  }
  const bool left_over = loaded.empty() && !session::shell_variables().empty();
  try {
    const session::ShellProject project = session::shell_project();
    const std::string now = mark(project);
    if (now == loaded && !left_over) {
      return 0;
    }
    std::string names;
    resolver::SecretBuilder text;
    text.append("_agentbox_leave\n");
    if (!now.empty()) {
      for (const session::Released& one : session::shell_secrets()) {
        text.append("_agentbox_set " + one.env + " ");
        append_quoted(text, one.value.reveal(), fish);
        text.append("\n");
        names += (names.empty() ? "" : ", ") + one.env;
      }
      text.append(fish ? "set -g _agentbox_loaded " : "_agentbox_loaded=");
      append_quoted(text, now, fish);
      text.append("\n");
    }
    base::write_all(STDOUT_FILENO, text.take().reveal());
    say(now.empty() ? "the secrets of the project you left are gone from this shell"
                    : base::printable(names) + " set in this shell, until you leave " +
                          base::printable(project.root));
    return 0;
  } catch (const std::exception&) {
    // Whatever went wrong here, what was loaded elsewhere does not stay.
    base::write_all(STDOUT_FILENO, "_agentbox_leave\n");
    throw;
  }
}

}  // namespace

int hook(const Arguments& arguments) {
  std::vector<std::string> words;
  po::options_description hidden;
  hidden.add_options()("words", po::value(&words));
  po::positional_options_description positional;
  positional.add("words", -1);
  if (!parse_options(kUsage, po::options_description("Options"), positional, hidden, arguments)) {
    return 0;
  }
  const bool loads = !words.empty() && words.front() == "load";
  if (loads) {
    words.erase(words.begin());
  }
  const std::string shell = words.empty() ? "" : words.front();
  if ((shell != "bash" && shell != "zsh" && shell != "fish") || words.size() > (loads ? 2 : 1)) {
    throw Error(Status::kFailed, "which shell is the hook for?",
                std::string("usage: ") + kUsage.synopsis);
  }
  if (loads) {
    return load(shell == "fish", words.size() > 1 ? words[1] : "");
  }
  std::fputs(shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish, stdout);
  return 0;
}

}  // namespace agentbox::cli
