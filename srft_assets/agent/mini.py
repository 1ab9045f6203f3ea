"""mini-swe-agent, imported without its banner, its configuration folder and the network."""

import importlib
import os
import sys
import tempfile
from threading import Lock

_IMPORTING = Lock()


def prepare_mini() -> None:
    """Import `minisweagent` quietly; call it before any other import from that package.

    On import the package prints a banner, makes a folder below `$HOME` and loads a `.env` file
    from there into the environment. None of that belongs into a recorded run, so it is given an
    empty folder that lives only during the import. litellm is not imported by what we use.
    """
    with _IMPORTING:
        if "minisweagent" in sys.modules:
            return
        os.environ.setdefault("MSWEA_SILENT_STARTUP", "1")
        os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
        stated = os.environ.get("MSWEA_GLOBAL_CONFIG_DIR")
        with tempfile.TemporaryDirectory(prefix="srft-mini-") as empty:
            os.environ["MSWEA_GLOBAL_CONFIG_DIR"] = stated or empty
            importlib.import_module("minisweagent.agents.default")
        if stated is None:
            del os.environ["MSWEA_GLOBAL_CONFIG_DIR"]
