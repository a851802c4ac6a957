"""Moves one file with the transfer helpers of Dropbox's own Python SDK, and prints how many seconds that took (without the
start of Python): sdk_transfer.py up|down LOCAL REMOTE THREADS CHUNK_MIB. Downloads have no chunks: each thread gets its share."""
import os
import sys
import time

# The SDK reads DROPBOX_API_HOST and its like at import.
import dropbox
from dropbox import file_transfer

direction, local, remote, threads, chunk = sys.argv[1:]
threads = int(threads)
# The only way to choose the size of its chunks.
file_transfer.UPLOAD_CHUNK_SIZE = int(chunk) << 20
start = time.monotonic()
client = dropbox.Dropbox(
    app_key=os.environ["DROPBOX_APP_KEY"], oauth2_refresh_token=os.environ["DROPBOX_REFRESH_TOKEN"],
    # One connection per thread; the default session keeps eight.
    session=dropbox.create_session(max_connections=threads, ca_certs=os.environ["DROPBOX_CA_FILE"]))
if direction == "up":
    options = file_transfer.UploadOptions(parallel_uploads=threads)
    file_transfer.Uploader(client).upload(file_transfer.FileUpload(local), dropbox.files.CommitInfo(remote), options)
else:
    options = file_transfer.DownloadOptions(parallel_downloads=threads)
    file_transfer.Downloader(client).download(remote, file_transfer.File(local), options)
print(time.monotonic() - start)
