#!/usr/bin/env python3
"""One dump streamed to Dropbox: dbackup against the same made of stock tools (pg_dump | zstd | age | rclone rcat).

Both send the same generated dump over TLS to the same emulator (which keeps only hashes), in turn, several times; figures are
medians. CPU seconds are those of everything but the generator and the emulator. Peak memory is the largest process's.
"""
import json
import os
import re
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target/release"
RCLONE = ROOT / "target/test-tools/venv/bin/rclone"
GIB = 1 << 30
RUNS = int(os.environ.get("RUNS", "3"))


def measure(arguments, environment, pattern="."):
    """Wall seconds, CPU seconds (with all children) and the largest peak MiB among its processes whose names match."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    process = subprocess.Popen(arguments, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True)
    peak = 0
    while process.poll() is None:
        peak = max(peak, peak_of_session(process.pid, pattern))
        time.sleep(0.05)
    wall = time.monotonic() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if process.returncode != 0:
        sys.exit(f"{arguments[0]} failed: {process.stderr.read().decode()}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, peak / 1024


def peak_of_session(session, pattern):
    """The largest VmHWM in KiB."""
    peak = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) != session:
                continue
            status = (entry / "status").read_text()
        except OSError:
            continue
        found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
        if found and re.search(rf"^Name:\s+({pattern})", status, re.M):
            peak = max(peak, int(found.group(1)))
    return peak


def main():
    folder = Path(tempfile.mkdtemp(prefix="dbackup-bench-"))
    tools = folder / "tools"
    tools.mkdir()
    for name in ("psql", "pg_dump"):
        (tools / name).symlink_to(RELEASE / "generated-postgres")
    emulator = subprocess.Popen(
        [RELEASE / "dropbox-emulator", "--listen", "127.0.0.1:0", "--tls-dir", folder, "--store", "hash", "--quota", str(1 << 50),
         "--proxy", "127.0.0.1:0"], stdout=subprocess.PIPE)
    try:
        bench(folder, tools, json.loads(emulator.stdout.readline()))
    finally:
        emulator.send_signal(signal.SIGTERM)
        emulator.wait()


def bench(folder, tools, urls):
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    key = subprocess.run([RELEASE / "dbackup", "keygen", "--output", folder / "key"], env=environment, check=True, capture_output=True, text=True)
    recipient = key.stdout.strip()
    ours = environment | {
        "DROPBOX_APP_KEY": urls["app_key"], "DROPBOX_REFRESH_TOKEN": urls["refresh_token"], "DROPBOX_CA_FILE": str(folder / "ca.pem"),
        "DROPBOX_API_URL": urls["api"], "DROPBOX_CONTENT_URL": urls["content"], "DROPBOX_WEB_URL": urls["web"],
        "DBACKUP_POSTGRES_BIN": str(tools)}
    token = {"access_token": "none", "token_type": "bearer", "refresh_token": urls["refresh_token"], "expiry": "2020-01-01T00:00:00Z"}
    (folder / "rclone.conf").write_text(
        f"[dropbox]\ntype = dropbox\nclient_id = {urls['app_key']}\nclient_secret = {urls['app_secret']}\ntoken = {json.dumps(token)}\n")
    theirs = environment | {"HTTPS_PROXY": urls["proxy"]}

    def dbackup(size, run):
        return [str(RELEASE / "dbackup"), "backup", "--source", f"postgres://me@localhost/{size}", "--to", "dropbox:/bench",
                "--job", f"run {run}", "--recipient", recipient]

    def stock(size, run):
        pipe = (f"set -o pipefail; '{tools}/pg_dump' \"dbname='{size}'\" | zstd -q -3 -T0 | age -r {recipient} | "
                f"'{RCLONE}' --config '{folder}/rclone.conf' --ca-cert '{folder}/ca.pem' rcat 'dropbox:stock/{size}-{run}'")
        return ["bash", "-c", pipe]

    print("| dump | by | wall s | MiB/s | CPU s | peak MiB |\n|---|---|---|---|---|---|")
    generator = statistics.median(measure([str(tools / "pg_dump"), f"dbname='{GIB}'"], environment)[1] for _ in range(3))
    peaks = {}
    for gib in (1, 4):
        size = gib * GIB
        figures = {"dbackup": [], "stock tools": []}
        for run in range(RUNS):
            figures["dbackup"].append(measure(dbackup(size, run), ours, "dbackup"))
            figures["stock tools"].append(measure(stock(size, run), theirs, "rclone|zstd|age"))
        medians = {}
        for name, runs in figures.items():
            wall, cpu, peak = (statistics.median(column) for column in zip(*runs))
            medians[name] = (wall, cpu - generator * gib, peak)
            print(f"| {gib} GiB | {name} | {wall:.1f} | {size / wall / (1 << 20):.0f} | {medians[name][1]:.1f} | {peak:.0f} |")
        ratios = [mine / other for mine, other in zip(medians["dbackup"], medians["stock tools"])]
        print(f"| {gib} GiB | dbackup : stock tools | {ratios[0]:.2f} | | {ratios[1]:.2f} | {ratios[2]:.2f} |")
        peaks[gib] = medians["dbackup"][2]
    print(f"\nPeak memory of dbackup: {peaks[4]:.0f} MiB at 4 GiB, {100 * (peaks[4] / peaks[1] - 1):+.0f} % against 1 GiB.")


if __name__ == "__main__":
    main()
