#!/usr/bin/env bash
# The main job on embedded defaults, in a repository made on the spot: packaging/demo.sh AGENTBOX
# Nothing of the user's is touched: home, state and repository are temporary.
set -euo pipefail
agentbox=$(realpath "$1")
place=$(mktemp -d "${TMPDIR:-/tmp}/agentbox-demo.XXXXXX")
trap 'rm -rf "$place"' EXIT
export HOME=$place/home
unset XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME
mkdir -p "$HOME" "$place/shop"
cd "$place/shop"
if [ -t 1 ]; then bold=$'\e[1m' dim=$'\e[2m' plain=$'\e[0m'; else bold='' dim='' plain=''; fi
say() { printf '%s%s%s\n' "$bold" "$1" "$plain"; }
show() { printf '%s$ %s%s\n' "$dim" "$1" "$plain"; }

git init -q .
echo 'STRIPE_KEY=sk_live_in_the_clear' >.env
echo 'DB_PASSWORD=hunter2-from-last-year' >.env.production.local.backup
echo 'aws_secret_access_key = in/an/old/backup' >config.bak
echo 'print("hello from the shop")' >app.py
echo 'last year it was hunter2-from-last-year' >notes.txt
cat >agentbox.json <<'POLICY'
{
  "version": 1,
  "extends": ["shell"],
  "secrets": {
    "database": { "from": "local://shop/database", "as": { "env": "DATABASE_URL" } },
    "deploy":   { "from": "local://shop/deploy",   "as": { "env": "DEPLOY_TOKEN" } }
  },
  "scopes": {
    "main":    { "secrets": ["database"], "spawn": ["release"] },
    "release": { "secrets": ["deploy"] }
  }
}
POLICY
printf 'postgres://shop:s3cr3t-9f2c@db/shop' | "$agentbox" secret set shop/database >/dev/null
printf 'deploy-77aa-55ee' | "$agentbox" secret set shop/deploy >/dev/null

say '1. Your project, outside the box'
show 'ls -A'
ls -A | grep -v '^\.git$' | paste -sd' '
say '2. The repository asks for secrets, so it needs your consent, once for this exact version'
"$agentbox" trust --yes | sed -n '1,5p'
say '3. The same directory, inside; and what stood in .env under another name'
show "agentbox run -- bash -c 'ls -A; cat .env; cat config.bak; cat notes.txt'"
"$agentbox" run -- bash -c 'ls -A | grep -v "^\.git$" | paste -sd" "; cat .env; cat config.bak; cat notes.txt' 2>&1 || true
say '4. This scope gets its secret, masked in what it prints; the other scope'"'"'s secret is not there'
show "agentbox run -- bash -c 'echo \$DATABASE_URL; echo \${DEPLOY_TOKEN-not set}'"
"$agentbox" run -- bash -c 'echo "$DATABASE_URL"; echo "${DEPLOY_TOKEN-not set}"; test ${#DATABASE_URL} = 35 && echo "(and it is the real one: 35 characters)"'
say '5. A command in another scope gets a box of its own, with that scope'"'"'s secret, masked for who asks'
show "agentbox run -- agentbox spawn --scope release -- bash -c 'echo \$DEPLOY_TOKEN; echo \${DATABASE_URL-not set}'"
"$agentbox" run -- agentbox spawn --scope release -- bash -c 'echo "$DEPLOY_TOKEN"; echo "${DATABASE_URL-not set}"'
say '6. A new secret file, made while the box runs, is never there either'
"$agentbox" run -- bash -c 'sleep 0.5; cat .env.local' 2>&1 & sleep 0.2; echo NEW=secret >.env.local; wait $! || true
say '7. Every step is on a tamper-evident log'
show 'agentbox log; agentbox log verify'
"$agentbox" log | awk '$5 ~ /^(resolve|release|spawn|hide)$/' | tail -n 8
"$agentbox" log verify
