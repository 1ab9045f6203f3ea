"""Chromium, driven as a user does; of Debian, as no other is put anywhere."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

INSTALL = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"]


def program() -> str:
    """Its path. Installed where CI is set; else skips the test where there is none."""
    names = ("chromium", "google-chrome")
    if not any(map(shutil.which, names)) and os.environ.get("CI") and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=True, timeout=300)
        subprocess.run(INSTALL, check=True, timeout=600, stdout=subprocess.DEVNULL)
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"no Chromium: {' '.join(INSTALL)}")
    return found


@contextmanager
def opened_page() -> Iterator[Any]:
    """A page of 1280 by 900 pixels, in a browser that knows nothing yet."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright: make setup")
    path = program()
    with api.sync_playwright() as play:
        # Chromium has no sandbox for root, and asks nobody but our own server here.
        browser = play.chromium.launch(executable_path=path, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(60_000)
        yield page
        browser.close()
