"""A real browser for pages on disk, without a network: Chromium through its own driver.

On a CI machine that is Debian's and lacks it, it is installed; elsewhere tests without it are
skipped.
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_PACKAGES = ("chromium", "chromium-driver")
_SECONDS = 240
_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-dev-shm-usage", "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip


class NoBrowserError(Exception):
    """There is none, and why."""


class Browser:
    """Opens files and looks at them."""

    def __init__(self, driver: Any) -> None:
        self._driver = driver

    def open(
        self, path: Path, *, width: int = 1200, dark: bool = False, script: bool = True
    ) -> None:
        """Shows a file in a window of that width."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self._command("Emulation.setDeviceMetricsOverride", **size)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._command("Emulation.setEmulatedMedia", media="", features=[scheme])
        self._command("Emulation.setScriptExecutionDisabled", value=not script)
        self.messages()
        self.requests()  # what the last page left behind
        self._driver.get(path.resolve().as_uri())

    def see(self, expression: str) -> Any:
        """The value of an expression in the page, as its own developer tools would tell it."""
        told = self._command("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in told, told["exceptionDetails"]
        return told["result"].get("value")

    def messages(self) -> list[str]:
        """What the page wrote to the console since it was opened, errors of policy included."""
        return [each["message"] for each in self._driver.get_log("browser")]

    def requests(self) -> list[str]:
        """What was asked for since the page was opened, itself first."""
        import json

        events = [
            json.loads(each["message"])["message"] for each in self._driver.get_log("performance")
        ]
        asked = [each for each in events if each["method"] == "Network.requestWillBeSent"]
        return [each["params"]["request"]["url"] for each in asked]

    def print(self) -> bytes:
        """The page as a PDF document."""
        told = self._command("Page.printToPDF", printBackground=False)
        return base64.b64decode(told["data"])

    def on_paper(self) -> None:
        """Lays the page out as it is printed."""
        self._command("Emulation.setEmulatedMedia", media="print", features=[])

    def screenshot(self) -> bytes:
        """What the window shows, as a PNG."""
        return base64.b64decode(self._command("Page.captureScreenshot", format="png")["data"])

    def _command(self, name: str, **parameters: Any) -> Any:
        return self._driver.execute_cdp_cmd(name, parameters)


@contextmanager
def browser() -> Iterator[Browser]:
    """A browser of its own, closed at the end.

    Raises:
        NoBrowserError: none is there and none can be installed.
    """
    from selenium import webdriver
    from selenium.webdriver.chrome.options import Options
    from selenium.webdriver.chrome.service import Service

    program, driver = _found() or _installed()
    options = Options()
    options.binary_location = program
    for flag in _FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    try:
        chrome.set_page_load_timeout(60)
        yield Browser(chrome)
    finally:
        chrome.quit()


def _found() -> tuple[str, str] | None:
    program = next(filter(None, map(shutil.which, _BROWSERS)), None)
    driver = shutil.which("chromedriver")
    return (program, driver) if program and driver else None


def _installed() -> tuple[str, str]:
    """Installs Debian's packages where that is nobody's own machine."""
    manually = f"`apt-get install {' '.join(_PACKAGES)}` brings one"
    if not os.environ.get("CI"):
        raise NoBrowserError(f"no Chromium with its driver; {manually}")
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        raise NoBrowserError("no Chromium with its driver, and no right to install it")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *_PACKAGES]
    for command in (["apt-get", "update", "-qq"], install):
        try:
            subprocess.run(
                command, check=True, env=environment, timeout=_SECONDS / 2, capture_output=True
            )
        except (subprocess.SubprocessError, OSError) as error:
            raise NoBrowserError(f"installing Chromium failed: {error}") from error
    found = _found()
    if found is None:
        raise NoBrowserError(f"installed, but not found: {_PACKAGES}")
    return found
