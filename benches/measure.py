"""What the benchmarks share: a folder for everything they leave, the emulator, its clients' environments, and the costs of a
process."""
import contextlib
import json
import os
import re
import resource
import select
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RELEASE = ROOT / "target/release"
TOOLS = ROOT / "target/test-tools/venv/bin"
RCLONE = TOOLS / "rclone"
MIB = 1 << 20
GIB = 1 << 30

# Seconds between two looks at the memory of what is measured.
LOOK = 0.05


@contextlib.contextmanager
def temporary_folder():
    """A folder that is gone at the end, also after Ctrl-C or SIGTERM."""
    def stop(number, _):
        for other in (signal.SIGINT, signal.SIGTERM):
            signal.signal(other, signal.SIG_IGN)
        sys.exit(128 + number)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    folder = Path(tempfile.mkdtemp(prefix="dbackup-bench-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(arguments, environment, pattern=".", stdout=subprocess.DEVNULL):
    """Wall seconds, CPU seconds (with all children) and the largest peak MiB among its processes whose names match."""
    with tempfile.TemporaryFile() as errors:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        start = time.monotonic()
        process = subprocess.Popen(arguments, env=environment, stdout=stdout, stderr=errors, start_new_session=True)
        peak = 0
        try:
            end = os.pidfd_open(process.pid)
            while not select.select([end], [], [], LOOK)[0]:
                peak = max(peak, peak_of_session(process.pid, pattern))
            os.close(end)
            wall = time.monotonic() - start
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            raise
        finally:
            process.wait()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if process.returncode != 0:
            errors.seek(0)
            sys.exit(f"{' '.join(map(str, arguments))} failed: {errors.read().decode(errors='replace')}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, cpu, peak / 1024


def peak_of_session(session, pattern):
    """The largest VmHWM in KiB."""
    peak = 0
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) != session:
                continue
            status = (entry / "status").read_text()
        except OSError:
            continue
        found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.M)
        if found and re.search(rf"^Name:\s+({pattern})", status, re.M):
            peak = max(peak, int(found.group(1)))
    return peak


class Emulator:
    """A Dropbox emulator with options of its own, running inside a `with`. Everything it keeps is in its folder."""

    def __init__(self, folder, *options):
        self.folder = folder
        self.options = options

    def __enter__(self):
        self.folder.mkdir()
        arguments = [RELEASE / "dropbox-emulator", "--listen", "127.0.0.1:0", "--tls-dir", self.folder, "--quota", str(1 << 50),
                     "--proxy", "127.0.0.1:0", *self.options]
        # In a session of its own Ctrl-C does not reach it: what is measured ends first.
        self.process = subprocess.Popen(arguments, env=os.environ | {"TMPDIR": str(self.folder)}, stdout=subprocess.PIPE,
                                        start_new_session=True)
        line = self.process.stdout.readline()
        if not line:
            sys.exit("dropbox-emulator did not start")
        self.urls = json.loads(line)
        context = ssl.create_default_context(cafile=self.folder / "ca.pem")
        self.http = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
        self.rclone_config = self.folder / "rclone.conf"
        token = {"access_token": "none", "token_type": "bearer", "refresh_token": self.urls["refresh_token"],
                 "expiry": "2020-01-01T00:00:00Z"}
        self.rclone_config.write_text(
            f"[dropbox]\ntype = dropbox\nclient_id = {self.urls['app_key']}\nclient_secret = {self.urls['app_secret']}\n"
            f"token = {json.dumps(token)}\n")
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def plain_environment(self):
        """Nothing of the caller's but the path: proxies and certificates of theirs would take the emulator's place."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.folder)}

    @property
    def dbackup_environment(self):
        return self.plain_environment | {
            "DROPBOX_APP_KEY": self.urls["app_key"], "DROPBOX_REFRESH_TOKEN": self.urls["refresh_token"],
            "DROPBOX_CA_FILE": str(self.folder / "ca.pem"), "DROPBOX_API_URL": self.urls["api"],
            "DROPBOX_CONTENT_URL": self.urls["content"], "DROPBOX_WEB_URL": self.urls["web"]}

    @property
    def rclone_environment(self):
        return self.plain_environment | {"HTTPS_PROXY": self.urls["proxy"]}

    def rclone(self, *arguments):
        return [str(RCLONE), "--config", str(self.rclone_config), "--ca-cert", str(self.folder / "ca.pem"), *map(str, arguments)]

    def ask(self, method, url, body=b"", **headers):
        request = urllib.request.Request(url, method=method, data=body or None, headers=headers)
        with self.http.open(request) as answer:
            return answer.read().decode()

    def control(self, method, what, text=""):
        """Changes the weather and more; see `dropbox-emulator --help`."""
        return self.ask(method, f"{self.urls['api']}/emulator/{what}", text.encode())

    def knock(self):
        """A request without a token, which is refused."""
        with contextlib.suppress(urllib.error.HTTPError):
            self.ask("POST", self.urls["api"] + "/2/users/get_current_account")

    def metadata(self, path):
        """What the Dropbox API tells of a file."""
        form = {"grant_type": "refresh_token", "refresh_token": self.urls["refresh_token"], "client_id": self.urls["app_key"]}
        token = self.ask("POST", self.urls["api"] + "/oauth2/token", urllib.parse.urlencode(form).encode())
        return json.loads(self.ask(
            "POST", self.urls["api"] + "/2/files/get_metadata", json.dumps({"path": path}).encode(),
            **{"Authorization": f"Bearer {json.loads(token)['access_token']}", "Content-Type": "application/json"}))
