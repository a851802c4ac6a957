#!/usr/bin/env python3
"""One dump streamed to Dropbox: dbackup against the same made of stock tools (pg_dump | zstd | age | rclone rcat).

Both send the same generated dump over TLS to the same emulator (which keeps only hashes), in turn, several times; figures are
medians. CPU seconds are those of everything but the generator and the emulator. Peak memory is the largest process's.
"""
import os
import shlex
import statistics
import subprocess

from measure import GIB, RELEASE, Emulator, measure, temporary_folder

RUNS = int(os.environ.get("RUNS", "3"))


def main():
    with temporary_folder() as folder:
        tools = folder / "tools"
        tools.mkdir()
        for name in ("psql", "pg_dump"):
            (tools / name).symlink_to(RELEASE / "generated-postgres")
        with Emulator(folder / "emulator", "--store", "hash") as emulator:
            bench(folder, tools, emulator)


def bench(folder, tools, emulator):
    environment = emulator.plain_environment
    keygen = [RELEASE / "dbackup", "keygen", "--output", folder / "key"]
    key = subprocess.run(keygen, env=environment, check=True, capture_output=True, text=True)
    recipient = key.stdout.strip()
    ours = emulator.dbackup_environment | {"DBACKUP_POSTGRES_BIN": str(tools)}
    theirs = emulator.rclone_environment

    def dbackup(size, run):
        return [str(RELEASE / "dbackup"), "backup", "--source", f"postgres://me@localhost/{size}", "--to", "dropbox:/bench",
                "--job", f"run {run}", "--recipient", recipient]

    def stock(size, run):
        pipe = (f"set -o pipefail; '{tools}/pg_dump' \"dbname='{size}'\" | zstd -q -3 -T0 | age -r {recipient} | "
                f"{shlex.join(emulator.rclone('rcat', f'dropbox:stock/{size}-{run}'))}")
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
