#!/usr/bin/env python3
"""How long 50 references to 5 secret managers take that answer after 100 ms each.

    bench/stores/run.py BUILD_DIR [ROUNDS]

Against stand-ins (tests/integration/stores), each a process of its own: 10 references to each at
once, the slowest one alone, and all 50 one after the other, as a shell script would read them.
"""
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
STORES = ROOT / "tests/integration/stores"
NUMBERS = range(10)
ITEMS = [{"id": "%026d" % n, "title": "item-%d" % n,
          "fields": [{"id": "password", "label": "password", "value": "value-%d" % n}]}
         for n in NUMBERS]
CONFIGS = {
    "vault": {"tokens": {"hvs.x": {}},
              "mounts": {"secret/": {"type": "kv", "options": {"version": "2"}}},
              "secrets": {"secret/%d" % n: [{"data": {"key": "value-%d" % n}}] for n in NUMBERS}},
    "op_connect": {"token": "x", "vaults": [{"id": "d" * 26, "name": "Dev", "items": ITEMS}]},
    "doppler": {"tokens": {"dp.pt.x": {}},
                "configs": {"shop/dev": {"NAME_%d" % n: "value-%d" % n for n in NUMBERS}}},
    "infisical": {"tokens": ["x"], "folders": {
        "p/dev/": {"secrets": {"NAME_%d" % n: "value-%d" % n for n in NUMBERS}}}},
    "aws": {"keys": {"AKIA1": {"secret": "x"}}, "secrets": {
        "name-%d" % n: {"versions": {"v": {"string": "value-%d" % n, "stages": ["AWSCURRENT"]}}}
        for n in NUMBERS}},
}
REFERENCES = {
    "vault": "vault://secret/%d#key", "op_connect": "op://Dev/item-%d/password",
    "doppler": "doppler://shop/dev/NAME_%d", "infisical": "infisical://p/dev/NAME_%d",
    "aws": "aws-sm://name-%d",
}


def start(place, kind):
    directory = place / kind
    directory.mkdir()
    (directory / "config.json").write_text(json.dumps({**CONFIGS[kind], "latency": 0.1}))
    server = subprocess.Popen([sys.executable, "-B", STORES / (kind + ".py"), directory],
                              stdin=subprocess.PIPE)
    while not (directory / "port").exists():
        time.sleep(0.01)
    return server, "https://localhost:" + (directory / "port").read_text()


def main():
    agentbox = pathlib.Path(sys.argv[1]).resolve() / "launcher/cli/agentbox"
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 10
    with tempfile.TemporaryDirectory(prefix="agentbox-bench-") as name:
        place = pathlib.Path(name)
        servers, urls = [], {}
        for kind in CONFIGS:
            server, urls[kind] = start(place, kind)
            servers.append(server)
        bundle = place / "authorities.pem"
        bundle.write_text("".join((place / k / "ca.pem").read_text() for k in CONFIGS))
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(place), "SSL_CERT_FILE": str(bundle),
            "VAULT_ADDR": urls["vault"], "VAULT_TOKEN": "hvs.x", "OP_CONNECT_HOST": urls["op_connect"],
            "OP_CONNECT_TOKEN": "x", "DOPPLER_API_HOST": urls["doppler"], "DOPPLER_TOKEN": "dp.pt.x",
            "INFISICAL_DOMAIN": urls["infisical"], "INFISICAL_TOKEN": "x", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": urls["aws"], "AWS_ACCESS_KEY_ID": "AKIA1",
            "AWS_SECRET_ACCESS_KEY": "x"}
        project = place / "project"
        project.mkdir()

        def run(*arguments):
            start_time = time.perf_counter()
            result = subprocess.run([agentbox, *arguments], cwd=project, env=environment,
                                    capture_output=True)
            if result.returncode != 0:
                sys.exit(result.stdout.decode() + result.stderr.decode())
            return time.perf_counter() - start_time

        def check(name, references):
            file = place / (name + ".env")
            file.write_text("".join("R%d=%s\n" % pair for pair in enumerate(references)))
            return lambda: run("check", "--env-file", str(file))

        every = [form % n for form in REFERENCES.values() for n in NUMBERS]
        contestants = {"all 50": check("all", every)}
        for kind, form in REFERENCES.items():
            contestants["one of " + kind] = check(kind, [form % 0])
        times = {name: [] for name in contestants}
        for _ in range(rounds):
            for contestant in random.sample(list(contestants), len(contestants)):
                times[contestant].append(contestants[contestant]())
        medians = {name: statistics.median(values) for name, values in times.items()}
        for name, median in medians.items():
            values = sorted(times[name])
            print("%-18s %7.1f ms   (%.1f to %.1f)" % (name, 1000 * median, 1000 * values[0],
                                                      1000 * values[-1]))
        slowest = max(median for name, median in medians.items() if name != "all 50")
        print("all 50 / slowest one: %.2f" % (medians["all 50"] / slowest))
        serial = sum(run("read", reference) for reference in every)
        print("one after the other:  %.1f ms, once" % (1000 * serial))
        for server in servers:
            server.stdin.close()
            server.wait()


if __name__ == "__main__":
    main()
