"""What a server costs: from start to ready, memory at rest, and how long the data of each page takes and how large it is, with an empty
and with a large metadata database (10,000 jobs, 1,000,000 runs of the last 100 days, 1,000,000 backups). Needs target/release/dbackup,
or the program that DBACKUP names, and wrk."""

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

DBACKUP = os.environ.get("DBACKUP", pathlib.Path(__file__).parent.parent / "target/release/dbackup")
SECONDS = int(os.environ.get("SECONDS_PER_ROW", "10"))
DAYS = 100
JOBS = int(os.environ.get("JOBS", "10000"))
RUNS = int(os.environ.get("RUNS", "1000000"))
BACKUPS = int(os.environ.get("BACKUPS", "1000000"))
# The first page, one in the middle, and pages that are narrowed by each filter.
LISTS = {
    "all": "",
    "middle": "&to=1970-01-06T00:00:00Z",
    "job": "&job=job%2000007",
    "database": "&database=db3",
    "text, few": "&search=job%2000007",
    "text, many": "&search=db3",
    "missing": "&status=missing",
}
# What each page of the web UI asks for. `{job}`, `{source}`, `{destination}` and `{run}` are ids.
PAGES = {
    "overview": "/api/overview?days=30",
    "overview, jobs": "/api/jobs?status=failed,new,running,warnings,paused&sort=urgency&days=30&limit=25",
    "overview, good jobs": "/api/jobs?status=good&sort=urgency&days=30&limit=25",
    "title": "/api/problems",
    "jobs": "/api/jobs?limit=100",
    "jobs, by urgency": "/api/jobs?sort=urgency&limit=100",
    "jobs, found": "/api/jobs?search=00007&limit=100",
    "job": "/api/jobs/{job}?days=90",
    "job, runs": "/api/runs?jobId={job}&kind=backup&limit=200",
    "job, backups": "/api/backups?job=job%2000007&limit=60",
    "runs": "/api/runs?limit=50",
    "runs, failed": "/api/runs?state=failed&limit=50",
    "runs, counts": "/api/run-counts",
    "run": "/api/runs/{run}",
    "source, databases": "/api/databases?sourceId={source}&limit=50",
    "source, jobs": "/api/jobs?sourceId={source}&limit=50",
    "database": "/api/databases?job=job%2000007&database=db7",
    "database, restores": "/api/runs?kind=restore&restoredJob=job%2000007",
    "destination": "/api/destinations/{destination}/usage",
    "destination, jobs": "/api/jobs?destinationId={destination}&limit=50",
    "backups": "/api/backups?limit=50",
}
STARTS = 5
REST_SECONDS = 5
GOALS = {"start": 200, "memory": 32, "p99": 20, "page": 50, "size": 200}


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
        with urllib.request.urlopen(request, timeout=120) as answer:
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
    """Jobs whose schedules are far away, each with as many runs, one in fifty of which failed. The next start sums them up."""
    catalog = sqlite3.connect(data / "dbackup.db")
    (source,), (destination,) = (catalog.execute(f"SELECT id FROM {table}").fetchone() for table in ("sources", "destinations"))
    far, day = 4_000_000_000_000, 24 * 3600 * 1000
    begin = int(time.time() * 1000) - DAYS * day
    at = lambda number: begin + number * DAYS * day // RUNS
    jobs = [str(uuid.UUID(int=number)) for number in range(JOBS)]
    catalog.executemany(
        "INSERT INTO jobs (id, name, name_key, source_id, compression, cron, time_zone, enabled, next_run_at, created_at, updated_at) "
        "VALUES (?, ?, ?, ?, 'zstd:3', '0 3 * * *', 'UTC', TRUE, ?, 0, 0)",
        ((job, f"job {number:05}", f"job {number:05}", source, far) for number, job in enumerate(jobs)),
    )
    catalog.executemany("INSERT INTO job_destinations (job_id, destination_id, position) VALUES (?, ?, 0)", ((job, destination) for job in jobs))
    columns = (
        "id, kind, job_id, title, cause, state, attempt, fence, cancel_requested, dumped_bytes, stored_bytes, sent_bytes, created_at, "
        "started_at, finished_at"
    )
    catalog.executemany(
        f"INSERT INTO runs ({columns}) VALUES (?1, 'backup', ?2, 'a job', 'schedule', ?4, 1, 1, FALSE, 1, 1, 1, ?3, ?3, ?3 + 60000)",
        (
            (str(uuid.UUID(int=number)), jobs[number % JOBS], at(number), "succeeded" if (number // JOBS + number) % 50 else "failed")
            for number in range(RUNS)
        ),
    )
    for table in ("job_days", "total_days", "job_standings", "destination_usage"):
        catalog.execute(f"DELETE FROM {table}")
    catalog.execute("DELETE FROM meta WHERE name = 'runSums'")
    fill_backups(catalog, destination)
    catalog.commit()
    catalog.close()


def fill_backups(catalog, destination):
    """One copy of each backup; one in a thousand is missing."""
    key = lambda number: str(uuid.UUID(int=number))
    series = [(job, database) for job in range(JOBS) for database in ("db%d" % (job % 10),)]
    catalog.executemany(
        "INSERT INTO series VALUES (?, ?, ?, ?, ?)",
        ((key(job), destination, f"job {job:05}", database, f"job {job:05} {database}") for job, database in series),
    )
    columns = "id, job, source_type, database, created_at, dump_hashes, encrypted, encrypted_to, warnings"
    catalog.executemany(
        f"INSERT INTO backups ({columns}) VALUES (?, ?, 'postgres', ?, ?, '{{}}', TRUE, '[]', '[]')",
        ((key(n), f"job {n % JOBS:05}", series[n % JOBS][1], n * 1000) for n in range(BACKUPS)),
    )
    columns = (
        "id, backup_id, series_id, destination_id, path, created_at, state, state_at, scan, stored_size, encrypted, hashes, "
        "sidecar, first_seen_at, last_seen_at, path_key"
    )
    catalog.executemany(
        f"INSERT INTO copies ({columns}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0, 1, 1024, TRUE, '{{}}', 'read', 0, 0, LOWER(?5))",
        (
            (key(n), key(n), key(n % JOBS), destination, f"job {n % JOBS:05}/backup_{n}.dump.age", n * 1000,
             "present" if n % 1000 else "missing")
            for n in range(BACKUPS)
        ),
    )
    # Nothing is at the destination: the scan at the start of the server must fail, or all would be missing.
    catalog.execute("UPDATE destinations SET settings = json_set(settings, '$.path', '/etc/hostname')")



def sum_up(data):
    """Seconds of the first start, which sums up all that is there."""
    began = time.monotonic()
    Server(data).stop()
    return time.monotonic() - began


def pages(data, token):
    """The 99th percentile in milliseconds and the kilobytes of the data of each page."""
    catalog = sqlite3.connect(data / "dbackup.db")
    first = lambda table: catalog.execute(f"SELECT MIN(id) FROM {table}").fetchone()[0]
    ids = {"source": first("sources"), "destination": first("destinations"), "run": first("runs"), "job": str(uuid.UUID(int=7))}
    catalog.close()
    server = Server(data)
    bearer = {"Authorization": f"Bearer {token}"}
    for name, path in PAGES.items():
        path = path.format(**ids)
        size = len(server.ask(path, headers=bearer)) / 1000
        yield name, load(server, token, path)[0], size
    server.stop()


def measure(data, token):
    servers = []
    for _ in range(STARTS):
        server = Server(data)
        servers.append(server.milliseconds)
        server.stop()
    server = Server(data)
    time.sleep(REST_SECONDS)
    at_rest = server.memory()
    p99, rate = load(server, token, "/api/jobs?limit=50")
    lists = {name: load(server, token, f"/api/backups?limit=50{query}")[0] for name, query in LISTS.items()}
    server.stop()
    return statistics.median(servers), at_rest, p99, rate, lists


def load(server, token, path):
    """The 99th percentile in milliseconds, and requests per second."""
    header = f"Authorization: Bearer {token}"
    command = ["wrk", "-t1", "-c4", f"-d{SECONDS}s", "--latency", "-H", header, server.url + path]
    report = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Non-2xx" not in report, report
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", report).groups()
    p99 = float(value) * {"us": 0.001, "ms": 1, "s": 1000}[unit]
    return p99, float(re.search(r"Requests/sec:\s+([\d.]+)", report)[1])


def met(value, goal):
    return "met" if value <= GOALS[goal] else "MISSED"


def row(name, start, memory, p99, rate, lists):
    lists = ", ".join(f"{name} {value:.1f} ({met(value, 'p99')})" for name, value in lists.items())
    print(
        f"| {name} | {start:.0f} ({met(start, 'start')}) | {memory:.1f} ({met(memory, 'memory')}) "
        f"| {p99:.1f} ({met(p99, 'p99')}) | {rate:.0f} "
        f"| {lists} |",
        flush=True,
    )


def main():
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        token = set_up(data)
        print("| database | start to ready, ms (≤ 200) | memory at rest, MiB (≤ 32) | GET /api/jobs p99, ms (≤ 20) | requests/s | GET /api/backups p99, ms (≤ 20) |")
        print("| --- | --- | --- | --- | --- | --- |", flush=True)
        row("empty", *measure(data, token))
        fill(data)
        filled = sum_up(data)
        row(f"{JOBS} jobs, {RUNS} runs, {BACKUPS} backups", *measure(data, token))
        print(f"\nThe first start with these, which sums them up: {filled:.1f} s.\n")
        print("| data of a page | p99, ms (≤ 50) | size, kB (≤ 200) |")
        print("| --- | --- | --- |", flush=True)
        for name, p99, size in pages(data, token):
            print(f"| {name} | {p99:.1f} ({met(p99, 'page')}) | {size:.1f} ({met(size, 'size')}) |", flush=True)


main()
