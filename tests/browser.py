"""Chromium without a window, driven by the DevTools protocol through two pipes."""

import contextlib
import itertools
import json
import os
import shlex
import shutil
import subprocess
import time

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 60


def find_chromium():
    """The path of Chromium; None if it is not installed."""
    return next((path for path in map(shutil.which, _NAMES) if path is not None), None)


class Page:
    """A page in a browser. Its methods wait up to a minute."""

    def __init__(self, process, reader, writer):
        self.process, self.reader, self.writer = process, reader, writer
        self.numbers = itertools.count(1)
        self.session = None
        self.events = []

    def call(self, method, **params):
        """Call a method of the protocol and return its result."""
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": params}
        if self.session is not None:
            message["sessionId"] = self.session
        self.writer.write(json.dumps(message).encode() + b"\0")
        self.writer.flush()
        while True:
            answer = json.loads(self._read())
            if answer.get("id") == number:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self.events.append(answer)

    def _read(self):
        message = bytearray()
        while (byte := self.reader.read(1)) != b"\0":
            assert byte, "the browser has ended"
            message += byte
        return message

    def open(self, url):
        """Open `url` in a new tab. Its errors and requests are recorded in `events`."""
        self.session = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "DOM", "Network", "Log"):
            self.call(f"{domain}.enable")
        self.call("Page.navigate", url=url)

    def evaluate(self, expression):
        """The value of a JavaScript expression; promises are awaited."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, expression):
        """Wait until `expression` is true, and return its value."""
        end = time.monotonic() + _SECONDS
        while not (value := self.evaluate(expression)):
            assert time.monotonic() < end, f"{expression} is still {value}: {self.evaluate('document.body.innerText')}"
            time.sleep(0.05)
        return value

    def choose_file(self, selector, path):
        """Choose a file in the input element `selector`."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", files=[str(path)], nodeId=node)

    def drag(self, *points):
        """Press the mouse at the first of `points`, move it along the others, and release it."""
        for kind, (x, y) in zip(
            ["mousePressed", *["mouseMoved"] * (len(points) - 1), "mouseReleased"], [*points, points[-1]], strict=True
        ):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1)


@contextlib.contextmanager
def open_browser(profile):
    """Start Chromium with the profile directory `profile`, and yield a `Page`; it ends with the context."""
    to_read, written = os.pipe()
    read, to_write = os.pipe()
    arguments = [
        find_chromium(), "--headless=new", "--remote-debugging-pipe", f"--user-data-dir={profile}", "--no-sandbox",
        "--disable-gpu", "--no-first-run", "--disable-dev-shm-usage", "--disable-background-networking", "about:blank",
    ]  # fmt: skip
    command = f"exec {shlex.join(arguments)} 3<&{to_read} 4>&{to_write}"
    process = subprocess.Popen(
        ["bash", "-c", command], pass_fds=(to_read, to_write), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    os.close(to_read)
    os.close(to_write)
    with os.fdopen(read, "rb") as reader, os.fdopen(written, "wb") as writer:
        try:
            yield Page(process, reader, writer)
        finally:
            process.kill()
            process.wait()
