#!/usr/bin/env bash
# Installs the agent programs that the end-to-end tests start, and the peer that the benchmark
# measures, into BUILD_DIR/agents: exact versions, held by package-lock.json. Quick when it is done
# already.
#   tests/e2e/install_agents.sh BUILD_DIR
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
agents=${1:?usage: install_agents.sh BUILD_DIR}/agents
mkdir -p "$agents"
agents=$(cd "$agents" && pwd)
stamp=$agents/installed

# One at a time: several tests may ask for it at once.
exec 9>"$agents/lock"
flock 9
if [ -e "$stamp" ] && cmp -s "$here/package.json" "$agents/package.json" &&
  cmp -s "$here/package-lock.json" "$stamp"; then
  exit 0
fi

echo "    npm: installing the agent programs into $agents (about 1.4 GB; some minutes)"
rm -rf "$agents/node_modules" "$stamp"
cp "$here/package.json" "$here/package-lock.json" "$agents/"
# No install script runs but the two below, which put the right native binary in its place: the
# others would compile optional add-ons.
log=$agents/npm.log
if ! (cd "$agents" && npm install --no-save --ignore-scripts --no-audit --no-fund) >"$log" 2>&1 9>&-; then
  tail -n 20 "$log" >&2
  echo "install_agents.sh: npm could not install the agent programs; all of its output is in $log" >&2
  exit 1
fi
(cd "$agents/node_modules/@anthropic-ai/claude-code" && node install.cjs)
(cd "$agents/node_modules/opencode-ai" && node postinstall.mjs)
for program in claude codex gemini opencode; do
  # A home of its own: several of them write there even for --version.
  home=$(mktemp -d)
  version=$(HOME=$home "$agents/node_modules/.bin/$program" --version 2>/dev/null | head -n 1) ||
    version="does not start here"
  rm -rf "$home"
  echo "    $program: $version"
done
cp "$here/package-lock.json" "$stamp"
