"""An account with an allowance of 1000 bytes."""

from common import client, refused
from dropbox.files import CommitInfo, UploadSessionCursor

dbx = client()
dbx.files_upload(b"x" * 600, "/most")
error = refused(dbx.files_upload, b"y" * 600, "/more")
assert error.get_path().reason.is_insufficient_space()
session = dbx.files_upload_session_start(b"y" * 600).session_id
cursor = UploadSessionCursor(session, 600)
error = refused(dbx.files_upload_session_finish, b"", cursor, CommitInfo("/more"))
assert error.get_path().is_insufficient_space()
assert refused(dbx.files_copy_v2, "/most", "/twice").is_insufficient_quota()
usage = dbx.users_get_space_usage()
assert usage.used == 600 and usage.allocation.get_individual().allocated == 1000
dbx.files_delete_v2("/most")
assert dbx.files_upload_session_finish(b"", cursor, CommitInfo("/more")).size == 600
