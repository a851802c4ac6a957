#!/usr/bin/env python3
"""One file to Dropbox and back: dbackup against rclone and Dropbox's own Python SDK.

All talk over TLS to the same kind of emulator on this machine, in turn, several times; figures are medians, of memory the
largest. "WAN" is the emulator's weather below. CPU seconds are the client's own. What was uploaded is compared by its content
hash, what was downloaded byte by byte. From the environment:

Rows 6 to 9 are of the sizes that most databases have. There the start of a program counts for more than the transfer, so the
start-up of every client (a run of it that does nothing) is measured beside it and taken off its wall time.

RUNS       how often dbackup and its fast peers run (3)
PEER_RUNS  how often peers slower than 20 MiB/s run (1)
SIZE_MIB   the size of the file (1024); row 3 takes 4 times that, row 5 also 16 times
ROWS       which rows (1,2,3,4,5,6,7,8,9); "peers" tries the settings that the best ones of rclone and the SDK were chosen from
BEFORE     an earlier version's program, which then runs beside this one in the rows with peers
TMPDIR     where the files lie, up to 36 times the size at once in row 5
"""
import filecmp
import functools
import hashlib
import itertools
import json
import os
import shutil
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from measure import GIB, MIB, RELEASE, TOOLS, Emulator, measure, temporary_folder

RUNS = int(os.environ.get("RUNS", "3"))
PEER_RUNS = int(os.environ.get("PEER_RUNS", "1"))
SIZE = int(os.environ.get("SIZE_MIB", "1024")) * MIB
ROWS = os.environ.get("ROWS", "1,2,3,4,5,6,7,8,9").split(",")

WAN = "latency=80ms,connection=12MiB/s,total=100MiB/s,append=500ms"
# Together 5 % of the requests.
FAULTS = ("kind=503", "kind=429,retry-after=1", "kind=reset-mid-body")
FAULT_EVERY = 60
SLOW = 20 * MIB
# Row: size, and what dbackup is to reach in MiB/s up. The weather allows no more than 58 at 128 MiB, 85 at 512 MiB, and 92 at 1 GiB: the line's
# own time, the last append's 0.5 s, and one latency each for token, start, append, close and finish.
SMALL = {"6": (1 * MIB, None), "7": (20 * MIB, None), "8": (128 * MIB, 50), "9": (512 * MIB, 75)}
NOISE = 0.01
PEAK_LIMIT = 160
BLOCK = 4 * MIB
PEERS = "peers"
# Where dbackup finds it below its folder, and where all find it in Dropbox to download.
NAME = "bench/backup_2026-01-01T00-00-00.db"
STORED = f"/bench/{NAME}"

numbers = itertools.count(1)


@dataclass(frozen=True)
class Source:
    """A file to be moved."""
    path: Path
    size: int
    content_hash: str

    @property
    def folder(self):
        """dbackup's destination that it is a backup in."""
        return str(self.path)[:-len(NAME) - 1]


class Dbackup:
    is_peer = False

    def __init__(self, through_proxy=False, name="dbackup", program=RELEASE / "dbackup"):
        self.name = f"{name}, through the proxy" if through_proxy else name
        self.through_proxy = through_proxy
        self.program = program

    def up(self, emulator, source, folder):
        arguments = ["copy", f"file://{source.folder}", NAME, "--to", f"dropbox:{folder}"]
        return self.run(emulator, arguments), f"{folder}/{NAME}"

    def down(self, emulator, target):
        return self.run(emulator, ["get", "dropbox:/bench", NAME, "--raw", "--output", target])

    def idle(self, emulator):
        return self.run(emulator, ["--version"])

    def run(self, emulator, arguments):
        environment = emulator.dbackup_environment
        if self.through_proxy:
            environment = {name: value for name, value in environment.items() if not name.endswith("_URL")}
            environment["HTTPS_PROXY"] = emulator.urls["proxy"]
        return measure([str(self.program), *map(str, arguments)], environment)


class Rclone:
    is_peer = True

    def __init__(self, options=""):
        self.name = f"rclone {options}" if options else "rclone, defaults"
        self.options = options.split()

    def up(self, emulator, source, folder):
        return self.run(emulator, source.path, f"dropbox:{folder}/file"), f"{folder}/file"

    def down(self, emulator, target):
        return self.run(emulator, f"dropbox:{STORED}", target)

    def idle(self, emulator):
        return measure(emulator.rclone("version"), emulator.rclone_environment)

    def run(self, emulator, origin, target):
        return measure(emulator.rclone("copyto", *self.options, origin, target), emulator.rclone_environment)


class Sdk:
    is_peer = True

    def __init__(self, threads, chunk=None):
        self.name = f"SDK, {threads} threads" + (f" x {chunk} MiB" if chunk else "")
        self.threads, self.chunk = threads, chunk or 8

    def up(self, emulator, source, folder):
        return self.run(emulator, "up", source.path, f"{folder}/file"), f"{folder}/file"

    def down(self, emulator, target):
        return self.run(emulator, "down", target, STORED)

    def idle(self, emulator):
        """Its own wall time begins after the start of Python."""
        return 0.0, 0.0, 0.0

    def run(self, emulator, direction, local, remote):
        host = urlsplit(emulator.urls["api"]).netloc
        environment = emulator.dbackup_environment | {
            f"DROPBOX_{name}_HOST": host for name in ("API", "API_CONTENT", "API_NOTIFY", "WEB")}
        program = Path(__file__).with_name("sdk_transfer.py")
        arguments = [TOOLS / "python", program, direction, local, remote, self.threads, self.chunk]
        with tempfile.TemporaryFile() as output:
            _, cpu, peak = measure([str(argument) for argument in arguments], environment, stdout=output)
            output.seek(0)
            return float(output.read()), cpu, peak


DBACKUP = Dbackup()
BEFORE = [Dbackup(name="dbackup before", program=os.environ["BEFORE"])] if "BEFORE" in os.environ else []
# On rclone's way to the emulator, which is longer; it counts only where there is no weather.
DBACKUP_THROUGH_PROXY = Dbackup(through_proxy=True)
RCLONE_DEFAULTS = Rclone()
RCLONE_UP_BEST = Rclone("--dropbox-batch-mode off --dropbox-chunk-size 144M")
RCLONE_DOWN_BEST = Rclone("--multi-thread-streams 16 --multi-thread-cutoff 16M --multi-thread-chunk-size 32M")
SDK_UP = [Sdk(8, 8), Sdk(16, 16), Sdk(48, 4)]
SDK_DOWN_BEST = Sdk(16)
SDK_DOWN = [Sdk(8), SDK_DOWN_BEST]

UP_SETTINGS = [
    RCLONE_DEFAULTS,
    *(Rclone(f"--dropbox-batch-mode off --dropbox-chunk-size {size}M") for size in (48, 96, 144)),
    Rclone("--dropbox-chunk-size 144M"),
    *(Sdk(threads, chunk) for threads in (8, 16, 32) for chunk in (4, 8, 16)),
    *(Sdk(48, chunk) for chunk in (4, 8)),
]
DOWN_SETTINGS = [
    RCLONE_DEFAULTS,
    *(Rclone(f"--multi-thread-streams {streams} --multi-thread-cutoff 16M --multi-thread-chunk-size {size}M")
      for streams in (8, 16) for size in (16, 32, 64)),
    *(Sdk(threads) for threads in (4, 8, 12, 16, 24)),
]


class Figures:
    """What the runs of one client came to."""

    def __init__(self, size, runs):
        self.runs = len(runs)
        self.wall, cpu = (statistics.median(run[column] for run in runs) for column in (0, 1))
        self.speed = size / self.wall
        self.cpu = cpu / (size / GIB)
        self.peak = max(run[2] for run in runs)


class Table:
    HEAD = ("row", "transfer", "client", "runs", "wall s", "MiB/s", "CPU s/GiB", "peak MiB", "goals of dbackup")

    def __init__(self):
        self.lines = []
        self.met = []

    def add(self, row, transfer, client, figures, *goals):
        self.met += [is_met for _, is_met in goals]
        goals = "; ".join(f"{goal}: {'met' if is_met else '**missed**'}" for goal, is_met in goals)
        self.lines.append((str(row), transfer, client.name, str(figures.runs), f"{figures.wall:.2f}", f"{figures.speed / MIB:.1f}",
                           f"{figures.cpu:.2f}", f"{figures.peak:.0f}", goals))

    def skip(self, row, transfer, why):
        self.lines.append((str(row), transfer, DBACKUP.name, "0", "", "", "", "", f"skipped: {why}"))

    def print(self):
        for line in (self.HEAD, ["---"] * len(self.HEAD), *self.lines):
            print("|", " | ".join(line), "|")
        if self.met:
            print(f"\n{sum(self.met)} of {len(self.met)} goals met.")


class Bench:
    """The rows, and the files they need in one folder."""

    def __init__(self, folder, table):
        self.folder = folder
        self.table = table
        self.sources = {}

    def emulator(self, *options):
        return Emulator(self.folder / f"emulator-{next(numbers)}", *options)

    def source(self, size):
        """A file of noise: no two of its blocks are the same."""
        def content(file):
            block = bytearray(os.urandom(BLOCK))
            for offset in range(0, size, BLOCK):
                block[:8] = offset.to_bytes(8, "big")
                file.write(memoryview(block)[:min(BLOCK, size - offset)])
        return self.make_source(size, content)

    def sparse_source(self, size):
        """A file of zeros that takes no room."""
        return self.make_source(size, lambda file: file.truncate(size))

    def make_source(self, size, write):
        if size not in self.sources:
            path = self.folder / f"source-{size}" / NAME
            path.parent.mkdir(parents=True)
            with open(path, "wb") as file:
                write(file)
            # Read once more: this is what keeps it in memory for all alike.
            self.sources[size] = Source(path, size, content_hash(path))
        return self.sources[size]

    def upload(self, emulator, source, clients, runs=RUNS):
        """The figures of each client; all have stored the same content then."""
        figures, paths = self.upload_unchecked(emulator, source, clients, runs)
        check_stored(emulator, source, paths)
        return figures

    def upload_unchecked(self, emulator, source, clients, runs=RUNS):
        paths = []

        def transfer(client):
            run, path = client.up(emulator, source, f"/bench-{next(numbers)}")
            paths.append(path)
            return run
        return in_turn(clients, source.size, transfer, runs), paths

    def start_ups(self, emulator, clients):
        """The wall time of each client that does nothing: the median of several runs."""
        return {client: statistics.median(client.idle(emulator)[0] for _ in range(5)) for client in clients}

    def download(self, emulator, source, clients, runs=RUNS):
        """The figures of each client; all have got the same content then."""
        def transfer(client):
            target = self.folder / "downloaded"
            run = client.down(emulator, target)
            if not filecmp.cmp(source.path, target, shallow=False):
                sys.exit(f"{client.name} downloaded something else")
            target.unlink()
            return run
        return in_turn(clients, source.size, transfer, runs)

    def store(self, emulator, source):
        """Puts the file where all download it from."""
        Sdk(8, 16).run(emulator, "up", source.path, STORED)
        check_stored(emulator, source, [STORED])

    def row_1(self):
        source = self.source(SIZE)
        with self.emulator("--store", "hash", "--weather", WAN) as emulator:
            figures = self.upload(emulator, source, [DBACKUP, *BEFORE, RCLONE_DEFAULTS, RCLONE_UP_BEST, *SDK_UP])
        goals = {
            DBACKUP: [fast_enough(figures[DBACKUP], 85)],
            RCLONE_DEFAULTS: [times_as_fast(figures, RCLONE_DEFAULTS, 8, "rclone's defaults")],
        }
        sdk = fastest(figures, SDK_UP)
        goals[sdk] = [times_as_fast(figures, sdk, 1.4, "the SDK's best")]
        self.add(1, f"{human(SIZE)} up, WAN", figures, goals)

    def row_2(self):
        source = self.source(SIZE)
        with self.emulator("--store", "bytes") as emulator:
            self.store(emulator, source)
            emulator.control("PUT", "weather", WAN)
            figures = self.download(emulator, source, [DBACKUP, *BEFORE, RCLONE_DEFAULTS, RCLONE_DOWN_BEST, SDK_DOWN_BEST])
        goals = {
            DBACKUP: [fast_enough(figures[DBACKUP], 90)],
            RCLONE_DEFAULTS: [times_as_fast(figures, RCLONE_DEFAULTS, 2, "rclone's defaults")],
            RCLONE_DOWN_BEST: [no_slower(figures, RCLONE_DOWN_BEST, "rclone's best")],
            SDK_DOWN_BEST: [no_slower(figures, SDK_DOWN_BEST, "the SDK's best")],
        }
        self.add(2, f"{human(SIZE)} down, WAN", figures, goals)

    def row_3(self):
        source = self.source(4 * SIZE)
        with self.emulator("--store", "hash") as emulator:
            figures = self.upload(emulator, source, [DBACKUP, *BEFORE, DBACKUP_THROUGH_PROXY, RCLONE_DEFAULTS])
        rclone = figures[RCLONE_DEFAULTS]
        cpu, wall = figures[DBACKUP].cpu / rclone.cpu, figures[DBACKUP_THROUGH_PROXY].wall / rclone.wall
        goals = {
            DBACKUP: [(f"CPU ≤ 0.5 × rclone's ({cpu:.2f} ×)", cpu <= 0.5)],
            DBACKUP_THROUGH_PROXY: [(f"wall ≤ rclone's ({wall:.2f} ×)", wall <= 1)],
        }
        self.add(3, f"{human(4 * SIZE)} up, loopback", figures, goals)

    def row_4(self):
        source = self.source(SIZE)
        # They take turns: a request in 20 fails, the first one after 60.
        step = FAULT_EVERY // len(FAULTS)
        faults = [f"--fault=route=*,{fault},nth={1 + turn * step},every={FAULT_EVERY}" for turn, fault in enumerate(FAULTS)]
        with self.emulator("--store", "hash", "--weather", WAN, *faults) as emulator:
            before = FAULT_EVERY - step
            for _ in range(before):
                emulator.knock()
            figures, paths = self.upload_unchecked(emulator, source, [DBACKUP])
            statuses = [json.loads(line)["status"] for line in emulator.control("GET", "requests").splitlines()][before:]
            emulator.control("DELETE", "faults")
            is_whole = is_stored(emulator, source, paths)
        failed = sum(status in (0, 429, 503) for status in statuses)
        transfer = f"{human(SIZE)} up, WAN, {failed} of {len(statuses)} requests failed"
        goals = [fast_enough(figures[DBACKUP], 70), ("content hash = the file's", is_whole)]
        self.table.add(4, transfer, DBACKUP, figures[DBACKUP], *goals)

    def row_5(self):
        def peak(transfer, figures):
            goal = f"peak ≤ {PEAK_LIMIT} MiB", figures[DBACKUP].peak <= PEAK_LIMIT
            self.table.add(5, transfer, DBACKUP, figures[DBACKUP], goal)

        source = self.source(SIZE)
        with self.emulator("--store", "bytes", "--weather", WAN) as emulator:
            peak(f"{human(SIZE)} up, WAN", self.upload(emulator, source, [DBACKUP], runs=1))
        with self.emulator("--store", "bytes") as emulator:
            self.store(emulator, source)
            emulator.control("PUT", "weather", WAN)
            peak(f"{human(SIZE)} down, WAN", self.download(emulator, source, [DBACKUP], runs=1))

        source = self.sparse_source(16 * SIZE)
        with self.emulator("--store", "hash") as emulator:
            peak(f"{human(source.size)} up, loopback", self.upload(emulator, source, [DBACKUP], runs=1))
        # What Dropbox has, what comes down, and some air.
        needed, free = 2 * source.size + 4 * GIB, shutil.disk_usage(self.folder).free
        transfer = f"{human(source.size)} down, loopback"
        if free < needed:
            self.table.skip(5, transfer, f"needs {human(needed)} on disk, {human(free)} are free")
            return
        with self.emulator("--store", "bytes") as emulator:
            self.store(emulator, source)
            peak(transfer, self.download(emulator, source, [DBACKUP], runs=1))

    def small_row(self, row):
        """Both ways, without start-up."""
        size, speed = SMALL[row]
        source, rclone = self.source(size), [RCLONE_DEFAULTS, RCLONE_UP_BEST]
        with self.emulator("--store", "bytes", "--weather", WAN) as emulator:
            clients = [DBACKUP, *BEFORE, *rclone, *SDK_UP]
            start_ups = self.start_ups(emulator, clients)
            up = without(self.upload(emulator, source, clients), start_ups, size)
        with self.emulator("--store", "bytes") as emulator:
            self.store(emulator, source)
            emulator.control("PUT", "weather", WAN)
            clients = [DBACKUP, *BEFORE, RCLONE_DEFAULTS, RCLONE_DOWN_BEST, *SDK_DOWN]
            start_ups = self.start_ups(emulator, clients)
            down = without(self.download(emulator, source, clients), start_ups, size)
        sdk_up, sdk_down = fastest(up, SDK_UP), fastest(down, SDK_DOWN)
        goals = {sdk_up: [no_slower(up, sdk_up, "the SDK's best")]}
        if speed:
            goals[DBACKUP] = [fast_enough(up[DBACKUP], speed)]
        self.add(row, f"{human(size)} up, WAN, without start-up", up, goals)
        goals = {sdk_down: [no_slower(down, sdk_down, "the SDK's best")]}
        self.add(row, f"{human(size)} down, WAN, without start-up", down, goals)

    def row_peers(self):
        source = self.source(SIZE)
        with self.emulator("--store", "hash", "--weather", WAN) as emulator:
            self.add(PEERS, f"{human(SIZE)} up, WAN", self.upload(emulator, source, UP_SETTINGS))
        with self.emulator("--store", "bytes") as emulator:
            self.store(emulator, source)
            emulator.control("PUT", "weather", WAN)
            self.add(PEERS, f"{human(SIZE)} down, WAN", self.download(emulator, source, DOWN_SETTINGS))

    def add(self, row, transfer, figures, goals={}):
        for client in figures:
            self.table.add(row, transfer, client, figures[client], *goals.get(client, []))


def in_turn(clients, size, transfer, runs):
    """Lets every client run, then all of them again."""
    results = {client: [] for client in clients}
    for number in range(1, runs + 1):
        for client, before in results.items():
            is_slow = client.is_peer and before and size / before[0][0] < SLOW
            if is_slow and number > PEER_RUNS:
                continue
            run = transfer(client)
            print(f"{client.name}: {size / run[0] / MIB:.1f} MiB/s, {run[1]:.1f} CPU s, {run[2]:.0f} MiB", file=sys.stderr)
            before.append(run)
    return {client: Figures(size, runs) for client, runs in results.items()}


def without(figures, start_ups, size):
    """The figures without each client's start-up."""
    for client, own in figures.items():
        own.wall = max(own.wall - start_ups[client], 0.001)
        own.speed = size / own.wall
    return figures


def fastest(figures, clients):
    return max(clients, key=lambda client: figures[client].speed)


def fast_enough(figures, speed):
    return f"≥ {speed} MiB/s", figures.speed >= speed * MIB


def times_as_fast(figures, peer, times, what):
    """The goal to be so many times as fast as a peer."""
    ratio = figures[DBACKUP].speed / figures[peer].speed
    return f"≥ {times} × {what} ({ratio:.2f} ×)", ratio >= times


def no_slower(figures, peer, what):
    """The goal to keep up with a peer."""
    ratio = figures[DBACKUP].speed / figures[peer].speed
    return f"no slower than {what} ({ratio:.2f} ×)", ratio >= 1 - NOISE


def content_hash(path):
    """Dropbox's: the SHA-256 of the SHA-256s of all blocks of 4 MiB."""
    whole = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            whole.update(hashlib.sha256(block).digest())
    return whole.hexdigest()


def is_stored(emulator, source, paths):
    """Whether Dropbox tells the file's own content hash of all of them."""
    return all(emulator.metadata(path)["content_hash"] == source.content_hash for path in paths)


def check_stored(emulator, source, paths):
    if not is_stored(emulator, source, paths):
        sys.exit(f"what is stored is not what was sent: {', '.join(paths)}")


def human(size):
    return f"{size / GIB:g} GiB" if size >= GIB else f"{size / MIB:g} MiB"


def main():
    table = Table()
    with temporary_folder() as folder:
        bench = Bench(folder, table)
        rows = {"1": bench.row_1, "2": bench.row_2, "3": bench.row_3, "4": bench.row_4, "5": bench.row_5, PEERS: bench.row_peers}
        rows |= {row: functools.partial(bench.small_row, row) for row in SMALL}
        for row in ROWS:
            if row not in rows:
                sys.exit(f"ROWS: there is no {row}, only {', '.join(rows)}")
        for row in ROWS:
            print(f"row {row}", file=sys.stderr)
            rows[row]()
    table.print()


if __name__ == "__main__":
    main()
