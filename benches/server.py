"""What a server costs: from start to ready, memory at rest, and how long a page of jobs takes, with an empty and with a large
metadata database (10,000 jobs, 1,000,000 runs). Needs target/release/dbackup and wrk."""

import json
import os
import pathlib
import re
import signal
import sqlite3
import statistics
import subprocess
import tempfile
import time
import urllib.request
import uuid

DBACKUP = pathlib.Path(__file__).parent.parent / "target/release/dbackup"
JOBS = int(os.environ.get("JOBS", "10000"))
RUNS = int(os.environ.get("RUNS", "1000000"))
STARTS = 5
REST_SECONDS = 5
GOALS = {"start": 200, "memory": 32, "p99": 20}


class Server:
    def __init__(self, data):
        began = time.monotonic()
        arguments = [DBACKUP, "serve", "--data", data, "--listen", "127.0.0.1:0", "--log", "warn"]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self.url = self.process.stdout.readline().split()[-1]
        assert self.ask("/readyz") == b"ready"
        self.milliseconds = (time.monotonic() - began) * 1000

    def ask(self, path, body=None, headers=()):
        request = urllib.request.Request(self.url + path, headers={"Content-Type": "application/json", **dict(headers)})
        request.data = None if body is None else json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=30) as answer:
            self.cookie = answer.headers.get("Set-Cookie", "").split(";")[0]
            return answer.read()

    def memory(self):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) == 0


def set_up(data):
    """Makes the administrator, a token for everything, and what a job needs."""
    server = Server(data)
    token = server.process.stdout.readline().split()[-1]
    own = {"Sec-Fetch-Site": "same-origin"}
    server.ask("/api/setup", {"token": token, "name": "bench", "password": "correct horse battery"}, own)
    scopes = {"name": "bench", "scopes": ["view", "configure"]}
    token = json.loads(server.ask("/api/tokens", scopes, {**own, "Cookie": server.cookie}))["token"]
    bearer = {"Authorization": f"Bearer {token}"}
    server.ask("/api/sources", {"name": "s", "settings": {"type": "sqlite", "path": "/x.db"}}, bearer)
    server.ask("/api/destinations", {"name": "d", "settings": {"type": "folder", "path": "/x"}}, bearer)
    server.stop()
    return token


def fill(data):
    """Jobs whose schedules are far away, each with as many runs."""
    catalog = sqlite3.connect(data / "dbackup.db")
    (source,), (destination,) = (catalog.execute(f"SELECT id FROM {table}").fetchone() for table in ("sources", "destinations"))
    far = 4_000_000_000_000
    jobs = [str(uuid.UUID(int=number)) for number in range(JOBS)]
    catalog.executemany(
        "INSERT INTO jobs VALUES (?, ?, ?, ?, NULL, 'zstd:3', NULL, '0 3 * * *', 'UTC', NULL, TRUE, ?, 0, 0)",
        ((job, f"job {number:05}", f"job {number:05}", source, far) for number, job in enumerate(jobs)),
    )
    catalog.executemany("INSERT INTO job_destinations VALUES (?, ?, 0)", ((job, destination) for job in jobs))
    columns = "id, kind, job_id, title, cause, state, attempt, fence, cancel_requested, dumped_bytes, stored_bytes, sent_bytes, created_at"
    catalog.executemany(
        f"INSERT INTO runs ({columns}) VALUES (?, 'backup', ?, 'a job', 'schedule', 'succeeded', 1, 1, FALSE, 1, 1, 1, ?)",
        ((str(uuid.UUID(int=number)), jobs[number % JOBS], number) for number in range(RUNS)),
    )
    catalog.commit()
    catalog.close()


def measure(data, token):
    servers = []
    for _ in range(STARTS):
        server = Server(data)
        servers.append(server.milliseconds)
        server.stop()
    server = Server(data)
    time.sleep(REST_SECONDS)
    at_rest = server.memory()
    header = f"Authorization: Bearer {token}"
    command = ["wrk", "-t1", "-c4", "-d10s", "--latency", "-H", header, server.url + "/api/jobs?limit=50"]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in report, report
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", report).groups()
    p99 = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", report)[1])
    server.stop()
    return statistics.median(servers), at_rest, p99, rate


def row(name, start, memory, p99, rate):
    met = lambda value, goal: "met" if value <= GOALS[goal] else "MISSED"
    print(
        f"| {name} | {start:.0f} ({met(start, 'start')}) | {memory:.1f} ({met(memory, 'memory')}) "
        f"| {p99:.1f} ({met(p99, 'p99')}) | {rate:.0f} |",
        flush=True,
    )


def main():
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        token = set_up(data)
        print("| database | start to ready, ms (≤ 200) | memory at rest, MiB (≤ 32) | GET /api/jobs p99, ms (≤ 20) | requests/s |")
        print("| --- | --- | --- | --- | --- |", flush=True)
        row("empty", *measure(data, token))
        fill(data)
        row(f"{JOBS} jobs, {RUNS} runs", *measure(data, token))


main()
