"""The token is refused as expired in the middle of things; the SDK gets another one by itself."""

from common import client

dbx = client()
dbx.files_upload(b"before", "/file")
assert dbx.files_download("/file")[1].content == b"before"
