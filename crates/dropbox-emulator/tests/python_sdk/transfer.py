"""The SDK's own parallel uploader and downloader, on bytes and on files."""

import os
import tempfile

from common import client, noise
from dropbox.content_hash import content_hash
from dropbox.file_transfer import (
    Bytes,
    BytesUpload,
    Downloader,
    DownloadOptions,
    File,
    FileUpload,
    ReaderUpload,
    Uploader,
    UploadOptions,
)
from dropbox.files import CommitInfo

dbx = client()
data = noise(41 * 1024 * 1024 + 17)

uploaded = Uploader(dbx).upload(
    BytesUpload(data), CommitInfo("/parallel/Große Datei 🐘.bin"), UploadOptions(parallel_uploads=4)
).metadata
assert uploaded.size == len(data) and uploaded.content_hash == content_hash(data)

target = Bytes()
Downloader(dbx).download(uploaded.path_display, target, DownloadOptions(parallel_downloads=4))
assert target.bytes() == data
target = Bytes()
Downloader(dbx).download("rev:" + uploaded.rev, target)
assert target.bytes() == data

with tempfile.TemporaryDirectory() as folder:
    local = os.path.join(folder, "local")
    with open(local, "wb") as file:
        file.write(data[: 17 << 20])
    again = Uploader(dbx).upload(FileUpload(local), CommitInfo("/sequential.bin")).metadata
    assert again.content_hash == content_hash(data[: 17 << 20])
    with open(local, "rb") as file:
        streamed = Uploader(dbx).upload(ReaderUpload(file), CommitInfo("/streamed.bin")).metadata
    assert streamed.content_hash == again.content_hash
    back = os.path.join(folder, "back")
    Downloader(dbx).download(again.id, File(back), DownloadOptions(parallel_downloads=3))
    with open(back, "rb") as file:
        assert file.read() == data[: 17 << 20]

empty = Uploader(dbx).upload(BytesUpload(b""), CommitInfo("/empty"), UploadOptions(parallel_uploads=4)).metadata
assert empty.size == 0 and empty.content_hash == content_hash(b"")
target = Bytes()
Downloader(dbx).download("/empty", target)
assert target.bytes() == b""
