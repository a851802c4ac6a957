"""A whole life through a client that a generator has made of the API's description: python generated_client.py URL TOKEN FOLDER

Everything goes through the generated models, so that what the description lacks or has wrong ends the script.
"""

import io
import sqlite3
import sys
import time

from dbackup_client import AuthenticatedClient
from dbackup_client.api.backups import get_destinations_id_backups, get_downloads_token, post_downloads
from dbackup_client.api.destinations import post_destinations, post_destinations_id_test
from dbackup_client.api.jobs import get_jobs, get_jobs_id, patch_jobs_id, post_jobs, post_jobs_id_run, put_jobs_id
from dbackup_client.api.profiles import post_profiles
from dbackup_client.api.restores import post_restores
from dbackup_client.api.runs import get_runs_id, get_runs_id_log
from dbackup_client.api.sources import post_sources, post_sources_id_test
from dbackup_client.models import (
    BackupResult,
    DestinationInput,
    DownloadInput,
    FolderOnTheServer,
    FolderOnTheServerType,
    Job,
    JobInput,
    JobPatch,
    LogLineLevel,
    Problem,
    ProblemCode,
    ProfileInput,
    RestoreInput,
    RunKind,
    RunStatus,
    SQLite,
    SQLiteType,
    SourceInput,
    StepResult,
)

url, token, folder = sys.argv[1:]
client = AuthenticatedClient(
    base_url=url, token=token, headers={"Accept": "application/json"}, raise_on_unexpected_status=True
)


def made(answer):
    """What was answered, which must not be a problem."""
    assert answer is not None and not isinstance(answer, Problem), answer
    return answer


def ended(run):
    """The run, once it has ended."""
    deadline = time.monotonic() + 60
    while run.state in (RunStatus.QUEUED, RunStatus.RUNNING):
        assert time.monotonic() < deadline, run
        time.sleep(0.05)
        run = made(get_runs_id.sync(run.id, client=client))
    return run


database = sqlite3.connect(f"{folder}/shop.db")
database.executescript("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2), (3);")
database.close()

settings = SQLite(type_=SQLiteType.SQLITE, path=f"{folder}/shop.db")
source = made(post_sources.sync(client=client, body=SourceInput(name="shop", settings=settings)))
settings = FolderOnTheServer(type_=FolderOnTheServerType.FOLDER, path=f"{folder}/backups")
destination = made(post_destinations.sync(client=client, body=DestinationInput(name="disk", settings=settings)))
for test, thing in [(post_sources_id_test, source), (post_destinations_id_test, destination)]:
    steps = made(test.sync(thing.id, client=client))
    assert steps and all(step.result == StepResult.PASSED for step in steps), steps
profile = made(post_profiles.sync(client=client, body=ProfileInput(name="company")))

wanted = JobInput(name="shop", source_id=source.id, destination_ids=[destination.id], profile_id=profile.id)
answer = post_jobs.sync_detailed(client=client, body=wanted)
job, tag = made(answer.parsed), answer.headers["etag"]
wanted.timeout_seconds = 3600
assert isinstance(made(put_jobs_id.sync(job.id, client=client, body=wanted, if_match=tag)), Job)
outdated = put_jobs_id.sync(job.id, client=client, body=wanted, if_match=tag)
assert isinstance(outdated, Problem) and outdated.code == ProblemCode.OUTDATED, outdated
paused = made(patch_jobs_id.sync(job.id, client=client, body=JobPatch(enabled=False)))
assert not paused.enabled and paused.timeout_seconds == 3600, paused
assert made(get_jobs_id.sync(job.id, client=client)) == paused
[found] = made(get_jobs.sync(client=client, name="SHOP")).items
assert found.id == job.id

run = ended(made(post_jobs_id_run.sync(job.id, client=client)))
assert (run.kind, run.state) == (RunKind.BACKUP, RunStatus.SUCCEEDED), run
assert isinstance(run.result, BackupResult) and len(run.result.databases) == 1, run.result
log = made(get_runs_id_log.sync(run.id, client=client)).items
assert log and all(line.level in (LogLineLevel.INFO, LogLineLevel.WARNING) for line in log), log

[backup] = made(get_destinations_id_backups.sync(destination.id, client=client)).items
wanted = DownloadInput(destination_id=destination.id, path=backup.path)
link = made(post_downloads.sync(client=client, body=wanted))
content = made(get_downloads_token.sync(link.url.rsplit("/", 1)[1], client=client)).payload
assert isinstance(content, io.IOBase) and content.read(15) == b"SQLite format 3"

wanted = RestoreInput(
    destination_id=destination.id, path=backup.path, source_id=source.id, database=f"{folder}/restored.db"
)
run = ended(made(post_restores.sync(client=client, body=wanted)))
assert (run.kind, run.state) == (RunKind.RESTORE, RunStatus.SUCCEEDED), run
assert sqlite3.connect(f"{folder}/restored.db").execute("SELECT sum(x) FROM t").fetchone() == (6,)
print("lived")
