"""What the scripts share: the emulator's address from the environment, and a client made the official way."""

import os
import random

# Read by the SDK at import.
for name in ("API", "API_CONTENT", "API_NOTIFY", "WEB"):
    os.environ["DROPBOX_%s_HOST" % name] = os.environ["EMULATOR_HOST"]
# These would take the place of the authority below.
for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
    os.environ.pop(name, None)

import dropbox  # noqa: E402

CA = os.environ["EMULATOR_CA"]
WEB = "https://" + os.environ["EMULATOR_HOST"]
APP_KEY = "emulator-app-key"
APP_SECRET = "emulator-app-secret"
REFRESH_TOKEN = "emulator-refresh-token"


def client(**settings):
    settings.setdefault("oauth2_refresh_token", REFRESH_TOKEN)
    settings.setdefault("app_key", APP_KEY)
    # Wait for nothing: a test that has to wait is a test that fails.
    return dropbox.Dropbox(ca_certs=CA, max_retries_on_error=0, max_retries_on_rate_limit=0, timeout=20, **settings)


def noise(length, seed=1):
    return random.Random(seed).randbytes(length)


def refused(call, *args, **kwargs):
    """The typed error of a call that must be refused."""
    try:
        call(*args, **kwargs)
    except dropbox.exceptions.ApiError as error:
        return error.error
    raise AssertionError("the call was not refused")
