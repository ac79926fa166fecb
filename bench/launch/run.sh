#!/usr/bin/env bash
# Launch of `true`: agentbox with everything on, against bubblewrap with the same namespaces and a like
# set of mounts, and against @anthropic-ai/sandbox-runtime, in one interleaved run, as an unprivileged
# user, on trees of 10 and of 100,000 files.
#   bench/launch/run.sh BUILD_DIR [ROUNDS]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
build=$(cd "${1:?usage: run.sh BUILD_DIR [ROUNDS]}" && pwd)
rounds=${2:-60}
if [ "$(id -u)" -eq 0 ]; then
  exec "$here/../../tests/as_user.sh" "$here/run.sh" "$build" "$rounds"
fi

agentbox=$build/launcher/cli/agentbox
timer=$build/bench/launch/launch_timer
modules=$build/agents/node_modules
for file in "$agentbox" "$timer" "$modules/.bin/srt"; do
  [ -e "$file" ] || { echo "run.sh: $file is not built" >&2; exit 1; }
done
for program in bwrap socat rg; do
  command -v "$program" >/dev/null || { echo "run.sh: $program is not installed" >&2; exit 1; }
done

scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/agentbox-bench.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
export HOME=$scratch/home
mkdir -p "$HOME"
cd "$scratch"

# --- trees: a repository each, 100 files a directory, one secret file
tree() {
  local directory=$scratch/$1 files=$2
  mkdir -p "$directory"
  python3 - "$directory" "$files" <<'PYTHON'
import os, sys
directory, files = sys.argv[1], int(sys.argv[2])
for number in range(files):
    part = os.path.join(directory, "src%d" % (number // 100))
    if number % 100 == 0:
        os.makedirs(part, exist_ok=True)
    with open(os.path.join(part, "file%d.c" % number), "w") as out:
        out.write("int value_%d = %d;\n" % (number, number))
PYTHON
  git -C "$directory" init -q
  echo 'API_KEY=0123456789abcdef0123' >"$directory/.env"
}
echo "making trees of 10 and 100,000 files"
tree small 10
tree large 100000

# --- agentbox: a secret from the local store (so a record, synced), masker, view, network
printf 'a-value-of-the-bench-0123456789' | "$agentbox" secret set bench >/dev/null
cat >"$scratch/policy.json" <<'JSON'
{"version": 1, "extends": ["shell"],
 "secrets": {"bench": {"from": "local://bench", "as": {"env": "BENCH"}}},
 "scopes": {"main": {"secrets": ["bench"]}}}
JSON
boxed=("$agentbox" run --policy "$scratch/policy.json" -- true)

# --- bubblewrap: all the namespaces, and the directories that agentbox binds of the system, as the box
# itself says. The single files that agentbox copies into the box are left out, in bubblewrap's favour;
# "with files of /etc" binds those too.
bwrap=(bwrap --unshare-user --unshare-pid --unshare-net --unshare-ipc --unshare-uts --unshare-cgroup
  --die-with-parent --new-session --cap-drop ALL --hostname box --clearenv --setenv PATH /usr/bin:/bin
  --proc /proc --dev /dev --tmpfs /tmp --tmpfs /run)
for path in /bin /sbin /lib /lib32 /lib64; do
  if [ -L "$path" ]; then bwrap+=(--symlink "$(readlink "$path")" "$path"); fi
done
cd "$scratch/small"
for path in $("${boxed[@]::${#boxed[@]}-1}" awk '$2 ~ "^/(usr|opt|etc|bin|sbin|lib|sys)" {print $2}' \
  /proc/self/mounts); do
  bwrap+=(--ro-bind "$path" "$path")
done
bwrap+=(--tmpfs "$HOME")
files=()
for path in $("${boxed[@]::${#boxed[@]}-1}" find /etc -xdev -maxdepth 1 -type f); do
  if [ -e "$path" ]; then files+=(--ro-bind "$path" "$path"); fi
done
bare() { # the arguments for one tree
  bare=("${bwrap[@]}" --bind "$scratch/$1" "$scratch/$1" --chdir "$scratch/$1" true)
}

# --- sandbox-runtime: no network, the tree writable, .env not readable; its own pinned node
node=$(echo "$modules"/node-linux-*/bin/node)
cat >"$scratch/srt.json" <<'JSON'
{"network": {"allowedDomains": [], "deniedDomains": []},
 "filesystem": {"denyRead": ["**/.env"], "allowWrite": ["."], "denyWrite": []}}
JSON
srt=("$node" "$modules/@anthropic-ai/sandbox-runtime/dist/cli.js" --settings "$scratch/srt.json" true)

contestants=("$scratch/small" "true" true ';')
bare small
contestants+=("$scratch/small" "bwrap, 10 files" "${bare[@]}" ';'
  "$scratch/small" "bwrap with files of /etc, 10 files" "${bwrap[@]}" "${files[@]}" --bind "$scratch/small"
  "$scratch/small" --chdir "$scratch/small" true ';')
bare large
contestants+=("$scratch/large" "bwrap, 100,000 files" "${bare[@]}" ';'
  "$scratch/small" "agentbox, 10 files" "${boxed[@]}" ';'
  "$scratch/large" "agentbox, 100,000 files" "${boxed[@]}" ';'
  "$scratch/small" "sandbox-runtime, 10 files" "${srt[@]}" ';'
  "$scratch/large" "sandbox-runtime, 100,000 files" "${srt[@]}" ';')

cd "$scratch/small"
echo "mounts in the box: agentbox $("${boxed[@]::${#boxed[@]}-1}" sh -c 'wc -l </proc/self/mounts'),\
 bubblewrap $("${bare[@]::${#bare[@]}-1}" sh -c 'wc -l </proc/self/mounts')"
echo "$rounds rounds interleaved; as $(id -un), $(nproc) processors, kernel $(uname -r)," \
  "load $(cut -d' ' -f1 /proc/loadavg) at the start"
"$timer" "$rounds" "${contestants[@]}"
