#!/usr/bin/env bash
# Runs a test as an unprivileged user, with a home of its own: tests/as_user.sh COMMAND [ARGUMENT…]
# Status 77 (skipped, with the reason) where the caller is no root: the test ran as that user already.
set -eu
user=${AGENTBOX_TEST_USER:-www-data}
if [ "$(id -u)" -ne 0 ]; then
  echo "skipped: already running unprivileged, as $(id -un)"
  exit 77
fi
root=$(cd "$(dirname "$0")/.." && pwd -P)
scratch=$(mktemp -d /var/tmp/agentbox-test.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
chown "$user": "$scratch"
environment=(HOME="$scratch" TMPDIR="$scratch" XDG_CACHE_HOME="$scratch/.cache" PATH="$PATH"
  LANG="${LANG:-C.UTF-8}" AGENTBOX="${AGENTBOX-}" AGENTBOX_BUILD_DIR="${AGENTBOX_BUILD_DIR-}"
  AGENTBOX_TEST_AS_USER=1)
run=(runuser -u "$user" -- env -i "${environment[@]}" "$@")
if runuser -u "$user" -- test -x "$root/tests/as_user.sh"; then
  "${run[@]}"
  exit
fi
# The checkout lies below a directory that others may not enter (/root, mode 0700): show it to the
# user at the same path, in a mount namespace of the test's own.
closed=$root
while [ "$closed" != / ]; do
  parent=$(dirname "$closed")
  if runuser -u "$user" -- test -x "$parent"; then break; fi
  closed=$parent
done
unshare --mount --propagation private bash -eu -c '
  root=$1 closed=$2; shift 2
  exec 9<"$root"
  mount -t tmpfs -o mode=755 agentbox-test "$closed"
  mkdir -p "$root"
  mount --no-canonicalize --bind /proc/self/fd/9 "$root"
  exec 9<&-
  cd "$root"
  exec "$@"' - "$root" "$closed" "${run[@]}"
