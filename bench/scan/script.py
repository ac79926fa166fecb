#!/usr/bin/env python3
"""What a careful person's script does instead of `agentbox scan`: walks, reads, matches.

It knows fewer kinds (some 40 of the detector's), looks for the values of .env files as they are, not in
their encoded forms, and asks git once. So its time is a lower bound for a script of the same reach.
"""

import fnmatch
import os
import re
import subprocess
import sys

HIDDEN = re.compile("|".join(fnmatch.translate(name) for name in (
    ".env", ".env.*", "*.env", "*.pem", "*.key", "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx",
    "*.bak", "*.tfstate", "*.tfvars", "id_rsa*", "id_ed25519*", ".netrc", ".pgpass", ".npmrc",
    "credentials.json", "secrets.*", "service-account*.json", "kubeconfig")))
KINDS = re.compile("|".join(f"(?:{kind})" for kind in (
    r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b", r"AIza[\w-]{35}", r"GOCSPX-[\w-]{28}",
    r"ya29\.[\w-]{50,}", r"gh[pousr]_[A-Za-z0-9]{36}", r"github_pat_\w{82}", r"glpat-[\w-]{20}",
    r"xox[baprs]-[\w-]{10,}", r"hooks\.slack\.com/services/\S{40,}", r"sk_live_\w{24,}",
    r"rk_live_\w{24,}", r"sk-ant-[\w-]{80,}", r"sk-proj-[\w-]{40,}", r"hf_[A-Za-z]{34}",
    r"npm_[A-Za-z0-9]{36}", r"pypi-[\w-]{85,}", r"dop_v1_[0-9a-f]{64}", r"SG\.[\w-]{22}\.[\w-]{43}",
    r"key-[0-9a-f]{32}", r"ops_eyJ[\w-]{100,}", r"hvs\.[\w-]{24,}", r"dp\.st\.\w+\.\w{40,}",
    r"AGE-SECRET-KEY-1[A-Z0-9]{58}", r"-----BEGIN [A-Z ]*PRIVATE KEY", r"PuTTY-User-Key-File-\d",
    r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{20,}", r"shpat_[0-9a-f]{32}", r"sq0atp-[\w-]{22}",
    r"EAACEdEose0cBA\w+", r"amzn\.mws\.[0-9a-f-]{36}", r"AccountKey=[\w+/]{86}==",
    r"lin_api_\w{40}", r"PMAK-[0-9a-f-]{59}", r"glsa_\w{32}_\w{8}", r"dckr_pat_[\w-]{27}",
    r"(?:postgres|postgresql|mysql|mongodb|mongodb\+srv|redis|amqp)://[^\s:/]+:[^\s@]{4,}@",
    r"(?i:(?:password|passwd|secret|token|api_?key)\s*[=:]\s*[\"']?[\w+/=-]{12,})",
    r"//[^\s:]+/:_authToken=\S+")).encode())


def main(root):
    hidden, shown = [], []
    for directory, directories, files in os.walk(root):
        if directory.endswith("/.git"):
            directories[:] = [name for name in directories if name != "objects"]
        for name in files:
            path = os.path.join(directory, name)
            (hidden if HIDDEN.match(name) else shown).append(path)
    values = set()
    for path in hidden:
        with open(path, "rb") as file:
            for line in file.read().splitlines():
                value = line.partition(b"=")[2].strip(b"\"' ")
                if len(value) >= 12:
                    values.add(value)
    known = re.compile(b"|".join(map(re.escape, values))) if values else None
    found = 0
    for path in shown:
        with open(path, "rb") as file:
            text = file.read()
        for matches in (KINDS.finditer(text), known.finditer(text) if known else ()):
            for match in matches:
                line = text.count(b"\n", 0, match.start()) + 1
                print(f"{os.path.relpath(path, root)}:{line}")
                found += 1
    listed = "\0".join(os.path.relpath(path, root) for path in hidden)
    ignored = subprocess.run(["git", "-C", root, "check-ignore", "-z", "--stdin"],
                             input=listed.encode(), capture_output=True).stdout.count(b"\0")
    print(f"{len(hidden)} hidden, {ignored} ignored, {found} found", file=sys.stderr)


main(sys.argv[1])
