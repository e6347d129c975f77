"""A small driver of a headless Chromium, over a pipe: Chrome's DevTools protocol with nothing but the standard library."""

import base64
import json
import os
import select
import shutil
import signal
import tempfile
import time
from pathlib import Path

import pytest

try:
    import fcntl
except ImportError:  # not a POSIX system: `find` skips
    fcntl = None

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = [
    *("--headless", "--remote-debugging-pipe", "--no-sandbox", "--no-first-run", "--disable-gpu", "--disable-quic"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--hide-scrollbars", "--force-color-profile=srgb"),
]
TIMEOUT = 60.0  # seconds, for each answer


def find():
    """Return the path of a Chromium, or skip the test and say how to get one."""
    if fcntl is None:
        pytest.skip("this driver of Chromium needs a POSIX system")
    found = next(filter(None, map(shutil.which, NAMES)), None)
    return found or pytest.skip("no Chromium on the PATH: apt install chromium")


class Chromium:
    """One browser with one page. `errors` collects what the page writes to the console and what it throws."""

    def __init__(self):
        program = find()
        self._folder = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        self._log = Path(self._folder.name) / "log"
        theirs = [0, 0]
        theirs[0], self._out = os.pipe()
        self._in, theirs[1] = os.pipe()
        # Chromium reads from file 3 and writes to file 4; both ends are first moved out of the way of these two.
        high = [fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in theirs]
        actions = [(os.POSIX_SPAWN_DUP2, high[0], 3), (os.POSIX_SPAWN_DUP2, high[1], 4)]
        log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        actions += [(os.POSIX_SPAWN_OPEN, fd, self._log, log, 0o600) for fd in (1, 2)]
        words = [program, *FLAGS, f"--user-data-dir={self._folder.name}/profile", "about:blank"]
        environment = {**os.environ, "HOME": self._folder.name}
        self._process = os.posix_spawn(program, words, environment, file_actions=actions, setpgroup=0)
        for end in (*theirs, *high):
            os.close(end)
        self._buffer, self._count, self._session = b"", 0, None
        self.errors = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self._out)  # with its pipe Chromium ends
        deadline = time.monotonic() + 5.0
        while os.waitpid(self._process, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.killpg(self._process, signal.SIGKILL)
                os.waitpid(self._process, 0)
                break
            time.sleep(0.02)
        os.close(self._in)
        self._folder.cleanup()

    def call(self, method, **parameters):
        """Call a method of the protocol and return its result."""
        self._count += 1
        message = {"id": self._count, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._count:
                assert "error" not in answer, (method, answer["error"])
                return answer["result"]

    def _read(self):
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self._in], [], [], TIMEOUT)
            piece = os.read(self._in, 1 << 20) if ready else b""
            assert piece, f"Chromium said nothing more. Its log: {self._log.read_text(errors='replace')[-2000:]}"
            self._buffer += piece
        message, _, self._buffer = self._buffer.partition(b"\0")
        event = json.loads(message)
        if event.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.errors.append(event["params"])
        return event

    def open(self, address):
        """Load a page, unless it is there already and only the part behind # differs, and wait for it."""
        self.call("Page.navigate", url=address)
        self.wait("document.readyState === 'complete'")

    def run(self, script):
        """Return the value of a JavaScript expression."""
        answer = self.call("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, condition, seconds=TIMEOUT):
        """Wait until a JavaScript condition holds."""
        deadline = time.monotonic() + seconds
        while not self.run(condition):
            assert time.monotonic() < deadline, f"never so: {condition}"
            time.sleep(0.02)

    def press(self, key):
        """Press a key."""
        text = {"text": " "} if key == " " else {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def click(self, selector):
        """Click with the mouse into the middle of an element."""
        place = json.dumps({"block": "center", "inline": "center", "behavior": "instant"})
        self.run(f"document.querySelector({json.dumps(selector)}).scrollIntoView({place})")
        box = self.run(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def look(self, width=1200, height=800, *, dark=False, calm=True):
        """Set size and taste of the screen."""
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        features = [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if calm else "no-preference"},
        ]
        self.call("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path, *, whole=False):
        """Save what is on the screen, or the whole page, as PNG."""
        picture = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(picture["data"]))
