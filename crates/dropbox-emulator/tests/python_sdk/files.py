"""One file and one folder at a time: write, read, list, describe, move, copy, delete, and every refusal's type."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from common import client, dropbox, noise, refused
from dropbox.content_hash import content_hash
from dropbox.files import (
    CommitInfo,
    DeletedMetadata,
    FileMetadata,
    FolderMetadata,
    WriteMode,
)

dbx = client()

# The account and its allowance.
account = dbx.users_get_current_account()
assert account.account_type.is_basic() and account.root_info.root_namespace_id == account.root_info.home_namespace_id
assert len(account.account_id) == 40
space = dbx.users_get_space_usage()
assert space.used == 0 and space.allocation.get_individual().allocated == 2 << 30
assert dbx.check_user("ping 🏓").result == "ping 🏓"

# A file, with parents that nobody made, in any language.
data = noise(5 << 20)
modified = datetime(2026, 5, 12, 3, 0, 4)
path = '/Sicherungen/Büro 🦀/dump "a" -x.sql'
written = dbx.files_upload(data, path, client_modified=modified)
assert written.path_display == path and written.path_lower == path.lower() and written.name == path.split("/")[-1]
assert written.size == len(data) and written.content_hash == content_hash(data)
assert written.client_modified == modified and written.is_downloadable
assert len(written.rev) >= 9 and written.id.startswith("id:")

# The same file by every name it has.
for name in (path, path.upper(), written.id, "rev:" + written.rev):
    metadata, response = dbx.files_download(name)
    assert response.content == data and metadata == written, name
    assert dbx.files_get_metadata(name) == written
folder = dbx.files_get_metadata("/SICHERUNGEN/büro 🦀")
assert isinstance(folder, FolderMetadata) and folder.path_display == "/Sicherungen/Büro 🦀"
below = dbx.files_get_metadata(folder.id + "/" + written.name)
assert below == written

# Ranges.
for header, expected in (
    ("bytes=0-0", data[:1]),
    ("bytes=100-199", data[100:200]),
    ("bytes=5242800-", data[5242800:]),
    ("bytes=-77", data[-77:]),
    ("bytes=5242870-99999999", data[5242870:]),
):
    metadata, response = dbx.files_download(path, extra_headers={"Range": header})
    assert response.status_code == 206 and response.content == expected and metadata == written, header
    assert response.headers["Content-Range"].endswith("/%d" % len(data))

# Write modes and conflicts.
same = dbx.files_upload(data, path)
assert same == written, "identical content is no change"
error = refused(dbx.files_upload, b"other", path)
assert error.get_path().reason.get_conflict().is_file()
waiting = error.get_path().upload_session_id
error = refused(dbx.files_upload, data, path, strict_conflict=True)
assert error.get_path().reason.get_conflict().is_file()
error = refused(dbx.files_upload, b"", "/Sicherungen")
assert error.get_path().reason.get_conflict().is_folder()
error = refused(dbx.files_upload, b"", path + "/below")
assert error.get_path().reason.get_conflict().is_file_ancestor()
renamed = dbx.files_upload(b"other", path, autorename=True)
assert renamed.name == written.name.replace(".sql", " (1).sql")
replaced = dbx.files_upload(b"newer", path, mode=WriteMode.overwrite)
assert replaced.id == written.id and replaced.rev != written.rev
error = refused(dbx.files_upload, b"newest", path, mode=WriteMode.update(written.rev))
assert error.get_path().reason.get_conflict().is_file()
newest = dbx.files_upload(b"newest", path, mode=WriteMode.update(replaced.rev))
assert dbx.files_download("rev:" + written.rev)[1].content == data, "an old revision can still be read"

# The bytes of the refused file wait for another name.
cursor = dropbox.files.UploadSessionCursor(waiting, 5)
named = dbx.files_upload_session_finish(b"", cursor, CommitInfo("/Sicherungen/other.sql"))
assert dbx.files_download(named.id)[1].content == b"other"

# Refusals.
assert refused(dbx.files_get_metadata, "/nowhere").get_path().is_not_found()
assert refused(dbx.files_get_metadata, "id:nothing").get_path().is_not_found()
assert refused(dbx.files_download, "/nowhere").get_path().is_not_found()
assert refused(dbx.files_download, "/Sicherungen").get_path().is_not_file()
assert refused(dbx.files_list_folder, path).get_path().is_not_folder()
assert refused(dbx.files_list_folder, "/nowhere").get_path().is_not_found()
for malformed in ("/a/", "/a ", "/a /b", "/a/..", "/" + "x" * 256):
    assert refused(dbx.files_upload, b"", malformed).get_path().reason.is_malformed_path(), malformed
assert refused(dbx.files_upload, b"", "/a/Thumbs.db").get_path().reason.is_disallowed_name()
assert refused(dbx.files_upload, b"x", "/bad", content_hash="0" * 64).is_content_hash_mismatch()
assert refused(dbx.files_delete_v2, "/nowhere").get_path_lookup().is_not_found()
assert refused(dbx.files_create_folder_v2, "/Sicherungen").get_path().get_conflict().is_folder()
try:
    dbx.files_list_folder("/")
    raise AssertionError("the root is an empty string")
except dropbox.exceptions.BadInputError as error:
    assert "Specify the root folder as an empty string" in error.message

# Folders, moves, copies.
made = dbx.files_create_folder_v2("/Ziel/tief").metadata
assert made.path_display == "/Ziel/tief"
moved = dbx.files_move_v2("/sicherungen/büro 🦀", "/Ziel/Umgezogen").metadata
assert moved.id == folder.id and moved.path_display == "/Ziel/Umgezogen"
assert dbx.files_get_metadata(written.id).path_display == "/Ziel/Umgezogen/" + written.name
copied = dbx.files_copy_v2("/Ziel/Umgezogen", "/Kopie").metadata
assert copied.id != moved.id
assert dbx.files_download("/kopie/" + written.name)[1].content == b"newest"
assert refused(dbx.files_move_v2, "/Ziel", "/Ziel/in/sich").is_cant_move_folder_into_itself()
assert refused(dbx.files_move_v2, "/nowhere", "/x").get_from_lookup().is_not_found()
assert refused(dbx.files_copy_v2, "/Ziel", "/Kopie").get_to().get_conflict().is_folder()
assert refused(dbx.files_move_v2, "/Kopie", "/KOPIE").get_to().get_conflict().is_folder(), "capitals only"

# A copy of one file: a file of its own with the same content. Nothing is ever overwritten.
original = dbx.files_upload(b"twice", "/Quelle/Büro", client_modified=datetime(2020, 1, 2, 3, 4, 5))
copy = dbx.files_copy_v2("/quelle/büro", "/Kopien/Büro 2").metadata
assert isinstance(copy, dropbox.files.FileMetadata) and copy.path_display == "/Kopien/Büro 2"
assert copy.content_hash == original.content_hash and copy.size == original.size
assert copy.id != original.id and copy.rev != original.rev
assert copy.client_modified == original.client_modified
assert dbx.files_download("/Kopien/Büro 2")[1].content == b"twice"
assert dbx.files_get_metadata("/Quelle/Büro").rev == original.rev
assert dbx.files_copy_v2(original.id, "/Kopien/nach Nummer").metadata.content_hash == original.content_hash
assert refused(dbx.files_copy_v2, "/Quelle/Büro", "/kopien/BÜRO 2").get_to().get_conflict().is_file(), "the same content"
assert dbx.files_copy_v2("/Quelle/Büro", "/Kopien/Büro 2", autorename=True).metadata.name == "Büro 2 (1)"
assert refused(dbx.files_copy_v2, "/Quelle/Büro", "/Kopien").get_to().get_conflict().is_folder()
assert refused(dbx.files_copy_v2, "/Quelle/Büro", "/Kopien/Büro 2/x").get_to().get_conflict().is_file_ancestor()
assert refused(dbx.files_copy_v2, "/Quelle/Büro", "/Kopien/Thumbs.db").get_to().is_disallowed_name()
assert refused(dbx.files_copy_v2, "/Quelle/Büro", "/Kopien/x ").get_to().is_malformed_path()
assert refused(dbx.files_copy_v2, "/Quelle/niemand", "/Kopien/y").get_from_lookup().is_not_found()

for folder in ("/Quelle", "/Kopien"):
    dbx.files_delete_v2(folder)

# Listing: small pages, recursive, then changes.
for number in range(7):
    dbx.files_upload(b"%d" % number, "/Liste/%d/Datei %d" % (number % 2, number))


def pages(page):
    while True:
        yield from page.entries
        if not page.has_more:
            cursors.append(page.cursor)
            return
        page = dbx.files_list_folder_continue(page.cursor)


cursors = []
listed = list(pages(dbx.files_list_folder("/Liste", recursive=True, limit=2)))
assert sum(isinstance(entry, FileMetadata) for entry in listed) == 7
assert {entry.path_display for entry in listed if isinstance(entry, FolderMetadata)} == {"/Liste", "/Liste/0", "/Liste/1"}
flat = list(pages(dbx.files_list_folder("/liste", limit=1)))
assert [entry.name for entry in flat] == ["0", "1"]
root = [entry.name for entry in pages(dbx.files_list_folder("", limit=1))]
assert root == ["Kopie", "Liste", "Sicherungen", "Ziel"], root
dbx.files_delete_v2("/liste/0")
dbx.files_upload(b"new", "/Liste/1/neu")
dbx.files_upload(b"elsewhere", "/woanders")
changes = list(pages(dbx.files_list_folder_continue(cursors[0])))
assert {(type(entry), entry.path_lower) for entry in changes} == {
    (DeletedMetadata, "/liste/0"),
    (DeletedMetadata, "/liste/0/datei 0"),
    (DeletedMetadata, "/liste/0/datei 2"),
    (DeletedMetadata, "/liste/0/datei 4"),
    (DeletedMetadata, "/liste/0/datei 6"),
    (FileMetadata, "/liste/1/neu"),
}, changes
latest = dbx.files_list_folder_get_latest_cursor("/Liste").cursor
assert dbx.files_list_folder_continue(latest).entries == []
assert refused(dbx.files_list_folder_continue, "no such cursor").is_reset()
deleted = dbx.files_get_metadata("/Liste/0", include_deleted=True)
assert isinstance(deleted, DeletedMetadata)

# Waiting for a change, which needs no token.
with ThreadPoolExecutor() as pool:
    waiting = pool.submit(dbx.files_list_folder_longpoll, latest)
    dbx.files_upload(b"tick", "/liste/tick")
    assert waiting.result().changes
assert [entry.name for entry in dbx.files_list_folder_continue(latest).entries] == ["tick"]
assert refused(dbx.files_list_folder_longpoll, "no such cursor").is_reset()

# A batch of deletions is a job.
job = dbx.files_delete_batch([dropbox.files.DeleteArg("/woanders"), dropbox.files.DeleteArg("/nowhere")])
done = dbx.files_delete_batch_check(job.get_async_job_id()).get_complete().entries
assert done[0].get_success().metadata.name == "woanders"
assert done[1].get_failure().get_path_lookup().is_not_found()
assert refused(dbx.files_delete_batch_check, "dbjid:none").is_invalid_async_job_id()

# A link that needs no token.
import requests  # noqa: E402
from common import CA  # noqa: E402

link = dbx.files_get_temporary_link("/Kopie/" + written.name)
assert requests.get(link.link, verify=CA).content == b"newest" and link.metadata.name == written.name

# Names are kept in Unicode NFC, and found in every form.
composed = dbx.files_upload(b"e", "/cafe\u0301")
assert composed.name == "caf\u00e9" and composed.path_display == "/caf\u00e9"
assert dbx.files_get_metadata("/CAF\u00c9").id == dbx.files_get_metadata("/cafe\u0301").id == composed.id

assert dbx.users_get_space_usage().used > 0
dbx.files_delete_v2("/Kopie")
assert refused(dbx.files_get_metadata, "/Kopie/" + written.name).get_path().is_not_found()
