"""Upload sessions: sequential, concurrent, batched."""

from common import client, noise, refused
from dropbox.content_hash import content_hash
from dropbox.files import (
    CommitInfo,
    UploadSessionAppendBatchArgEntry,
    UploadSessionCursor,
    UploadSessionFinishArg,
    UploadSessionType,
    WriteMode,
)

dbx = client()
BLOCK = 4 << 20
data = noise(2 * BLOCK + 12345)

# Sequential, in uneven pieces, the first with start and the last with finish.
session = dbx.files_upload_session_start(data[:1000]).session_id
dbx.files_upload_session_append_v2(data[1000:5_000_000], UploadSessionCursor(session, 1000))
error = refused(dbx.files_upload_session_append_v2, b"again", UploadSessionCursor(session, 1000))
assert error.get_incorrect_offset().correct_offset == 5_000_000
error = refused(
    dbx.files_upload_session_append_v2, b"x", UploadSessionCursor(session, 5_000_000), content_hash="0" * 64
)
assert error.is_content_hash_mismatch()
error = refused(
    dbx.files_upload_session_finish, b"", UploadSessionCursor(session, 7), CommitInfo("/sequential")
)
assert error.get_lookup_failed().get_incorrect_offset().correct_offset == 5_000_000
dbx.files_upload(b"in the way", "/sequential")
error = refused(
    dbx.files_upload_session_finish, data[5_000_000:], UploadSessionCursor(session, 5_000_000), CommitInfo("/sequential")
)
assert error.get_path().get_conflict().is_file()
done = dbx.files_upload_session_finish(
    b"", UploadSessionCursor(session, len(data)), CommitInfo("/sequential", mode=WriteMode.overwrite)
)
assert done.size == len(data) and done.content_hash == content_hash(data)
assert dbx.files_download("/sequential")[1].content == data
error = refused(
    dbx.files_upload_session_finish, b"", UploadSessionCursor(session, len(data)), CommitInfo("/sequential")
)
assert error.get_lookup_failed().is_not_found()

# Concurrent, the pieces in any order, the last one closing.
session = dbx.files_upload_session_start(b"", session_type=UploadSessionType.concurrent).session_id
dbx.files_upload_session_append_v2(data[BLOCK : 2 * BLOCK], UploadSessionCursor(session, BLOCK))
commit = CommitInfo("/concurrent")
error = refused(dbx.files_upload_session_finish, b"", UploadSessionCursor(session, len(data)), commit)
assert error.is_concurrent_session_not_closed()
dbx.files_upload_session_append_v2(data[:BLOCK], UploadSessionCursor(session, 0))
dbx.files_upload_session_append_v2(data[2 * BLOCK :], UploadSessionCursor(session, 2 * BLOCK), close=True)
error = refused(dbx.files_upload_session_append_v2, b"", UploadSessionCursor(session, 2 * BLOCK))
assert error.is_closed()
done = dbx.files_upload_session_finish(b"", UploadSessionCursor(session, len(data)), commit)
assert done.content_hash == content_hash(data) and dbx.files_download("/concurrent")[1].content == data

# Several at once.
sessions = dbx.files_upload_session_start_batch(3).session_ids
pieces = [noise(100, seed) for seed in range(3)]
entries = [
    UploadSessionAppendBatchArgEntry(UploadSessionCursor(id, 0), 100, close=index != 2)
    for index, id in enumerate(sessions)
]
entries.append(UploadSessionAppendBatchArgEntry(UploadSessionCursor("none", 0), 5))
body = b"".join(pieces) + b"extra"
appended = dbx.files_upload_session_append_batch(body, entries, content_hash=content_hash(body)).entries
assert [entry.is_success() for entry in appended] == [True, True, True, False]
assert appended[3].get_failure().is_not_found()
finished = dbx.files_upload_session_finish_batch_v2(
    [
        UploadSessionFinishArg(UploadSessionCursor(id, 100), CommitInfo("/batch/%d" % index))
        for index, id in enumerate(sessions)
    ]
).entries
assert finished[0].get_success().content_hash == content_hash(pieces[0])
assert finished[1].get_success().path_display == "/batch/1"
assert finished[2].get_failure().get_lookup_failed().is_not_closed()
assert refused(dbx.files_upload_session_append_batch, b"short", entries).is_length_mismatch()
