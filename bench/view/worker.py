"""Runs commands where it stands and says how long each took: one JSON object a line, in and out."""
import json
import os
import subprocess
import sys
import time

for line in sys.stdin:
    job = json.loads(line)
    environment = {**os.environ, **job.get("env", {})}
    start = time.perf_counter()
    done = subprocess.run(job["command"], cwd=job.get("cwd"), env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seconds = time.perf_counter() - start
    tail = done.stdout[-300:].decode(errors="replace")
    print(json.dumps({"seconds": seconds, "status": done.returncode, "lines": done.stdout.count(b"\n"),
                      "tail": tail}), flush=True)
