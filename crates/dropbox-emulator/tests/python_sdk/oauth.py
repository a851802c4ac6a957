"""Consent, exchange, refresh and revocation through the SDK's own flows; a person's clicks go over HTTP."""

import re
import warnings
from urllib.parse import parse_qsl, urlsplit

import requests
from common import APP_KEY, APP_SECRET, CA, client, dropbox
from dropbox.exceptions import AuthError
from dropbox.oauth import (
    CsrfException,
    DropboxOAuth2Flow,
    DropboxOAuth2FlowNoRedirect,
    NotApprovedException,
)

warnings.simplefilter("ignore")


def click(url, decision):
    """Opens the consent page and clicks a button, as a browser without scripts would. Dropbox may send it back at once."""
    page = requests.get(url, verify=CA, allow_redirects=False)
    if page.status_code == 302:
        assert decision == "allow", "there was nothing to deny"
        return page
    assert page.status_code == 200, page.text
    fields = dict(re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', page.text))
    fields = {name: value.replace("&quot;", '"').replace("&amp;", "&") for name, value in fields.items()}
    return requests.post(
        url.split("?")[0], data={**fields, "decision": decision}, verify=CA, allow_redirects=False
    )


def code_on(page):
    return re.search(r'id="code">([^<]+)<', page.text).group(1)


def query_of(redirected):
    return dict(parse_qsl(urlsplit(redirected.headers["location"]).query))


# PKCE, no redirect: the person copies the code.
flow = DropboxOAuth2FlowNoRedirect(
    APP_KEY, use_pkce=True, token_access_type="offline", scope=["account_info.read", "files.metadata.read"], ca_certs=CA
)
code = code_on(click(flow.start(), "allow"))
granted = flow.finish(code)
assert granted.scope == "account_info.read files.metadata.read", granted.scope
assert granted.refresh_token and granted.access_token and granted.account_id.startswith("dbid:")
with client(oauth2_refresh_token=granted.refresh_token) as dbx:
    assert dbx.users_get_current_account().account_id == granted.account_id
    assert dbx.files_list_folder("").entries == []
    for change in (lambda: dbx.files_upload(b"", "/forbidden"), lambda: dbx.files_copy_v2("/a", "/forbidden")):
        try:
            change()
            raise AssertionError("a scope that was not granted was not missed")
        except AuthError as error:
            assert error.error.get_missing_scope().required_scope == "files.content.write"

# A code is good once.
try:
    flow.finish(code)
    raise AssertionError("a code was good twice")
except requests.HTTPError as error:
    assert error.response.json() == {
        "error": "invalid_grant",
        "error_description": "code doesn't exist or has expired",
    }, error.response.text

# With a secret, no redirect; such a refresh token needs the secret.
flow = DropboxOAuth2FlowNoRedirect(APP_KEY, APP_SECRET, token_access_type="offline", ca_certs=CA)
granted = flow.finish(code_on(click(flow.start(), "allow")))
with client(oauth2_refresh_token=granted.refresh_token, app_secret=APP_SECRET) as dbx:
    dbx.check_user("ping")
with client(oauth2_refresh_token=granted.refresh_token) as dbx:
    try:
        dbx.check_user("ping")
        raise AssertionError("refreshed without the secret")
    except dropbox.exceptions.BadInputError as error:
        assert "invalid_client" in error.message

# With a redirect: allowed, denied, and a state that is not ours.
session = {}
redirect = "http://localhost:3000/api/adapters/dropbox/callback"
flow = DropboxOAuth2Flow(
    APP_KEY, redirect, session, "csrf", use_pkce=True, token_access_type="offline", ca_certs=CA
)
back = click(flow.start("keep=this&that"), "allow")
assert back.status_code == 302, back.text
query = query_of(back)
assert back.headers["location"].startswith(redirect + "?")
granted = flow.finish(query)
assert granted.url_state == "keep=this&that"
assert click(flow.start(), "allow").request.method == "GET", "an approved app was asked for again"
denied = click(flow.start() + "&force_reapprove=true", "deny")
query = query_of(denied)
try:
    flow.finish(query)
    raise AssertionError("a denial was an approval")
except NotApprovedException:
    pass
click(flow.start(), "allow")
try:
    flow.finish({"code": "any", "state": "forged"})
    raise AssertionError("a forged state passed")
except CsrfException:
    pass

# Revocation ends the access token and the refresh token.
with client(oauth2_refresh_token=granted.refresh_token) as dbx:
    dbx.check_user("ping")
    dbx.auth_token_revoke()
    try:
        dbx.check_user("ping")
        raise AssertionError("a revoked token was good")
    except AuthError as error:
        assert error.error.is_invalid_access_token()
with client(oauth2_refresh_token=granted.refresh_token) as dbx:
    try:
        dbx.check_user("ping")
        raise AssertionError("a revoked refresh token was good")
    except AuthError as error:
        assert error.error.is_invalid_access_token()
