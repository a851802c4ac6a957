"""A team account: the member's home is a folder of the root namespace."""

from common import client, refused
from dropbox.common import PathRoot
from dropbox.exceptions import ApiError, PathRootError

dbx = client()
account = dbx.users_get_current_account()
root = account.root_info.root_namespace_id
assert account.account_type.is_business() and root != account.root_info.home_namespace_id
assert account.root_info.home_path == "/Ada Lovelace"
assert dbx.users_get_space_usage().allocation.get_team().allocated == 2 << 30

mine = dbx.files_upload(b"mine", "/mine")
assert mine.path_display == "/mine"
assert [entry.path_display for entry in dbx.files_list_folder("", recursive=True).entries] == ["/mine"]
for team in (dbx.with_path_root(PathRoot.root(root)), dbx.with_path_root(PathRoot.namespace_id(root))):
    team.files_upload(b"ours", "/Team/ours")
    assert team.files_get_metadata("/ada lovelace/MINE").path_display == "/Ada Lovelace/mine"
    assert [entry.name for entry in team.files_list_folder("").entries] == ["Ada Lovelace", "Team"]
assert refused(dbx.files_get_metadata, "/Team/ours").get_path().is_not_found()
assert dbx.files_get_metadata("ns:%s/Team/ours" % root).name == "ours"
# A copy from one namespace into another.
assert dbx.files_copy_v2("ns:%s/Team/ours" % root, "/copied").metadata.path_display == "/copied"
assert refused(dbx.files_copy_v2, "/Team/ours", "/again").get_from_lookup().is_not_found()
assert dbx.with_path_root(PathRoot.home).files_get_metadata("/mine").id == mine.id

try:
    dbx.with_path_root(PathRoot.root("1")).files_list_folder("")
    raise AssertionError("a root that is none")
except PathRootError as error:
    assert error.error.get_invalid_root().root_namespace_id == root
try:
    dbx.with_path_root(PathRoot.namespace_id("1")).files_list_folder("")
    raise AssertionError("a namespace that is none")
except PathRootError as error:
    assert error.error.is_no_permission()
except ApiError as error:
    raise AssertionError(error)
