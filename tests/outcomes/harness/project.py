"""A tiny repository in an image of its own, and SWE-bench rows of tasks in it."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

from tests.outcomes.conftest import diff
from tests.outcomes.harness.docker_daemon import BASE

IMAGE = "srft-test-adder:1"
ADDER = "def add(a, b):\n    return a - b\n"
TESTS = (
    "import unittest\n\nfrom adder import add\n\n\nclass TestAdder(unittest.TestCase):\n"
    "    def test_zero(self):\n        self.assertEqual(add(0, 0), 0)\n"
)
TEST_FILE = "tests/test_adder.py"
TEST_PATCH = """\
diff --git a/tests/test_adder.py b/tests/test_adder.py
--- a/tests/test_adder.py
+++ b/tests/test_adder.py
@@ -6,3 +6,6 @@ from adder import add
 class TestAdder(unittest.TestCase):
     def test_zero(self):
         self.assertEqual(add(0, 0), 0)
+
+    def test_add(self):
+        self.assertEqual(add(1, 2), 3)
"""
GOLD = diff("adder.py", "    return a - b", "    return a + b")
WRONG = diff("adder.py", "    return a - b", "    return a * b")
HANGING = diff("adder.py", "    return a - b", "    while True:\n        pass")
NOT_APPLYING = diff("adder.py", "    return a // b", "    return a + b")
EVAL_SCRIPT = f"""#!/bin/bash
set -uxo pipefail
cd /testbed
git checkout base -- {TEST_FILE}
git apply -v - <<'EOF_TEST_PATCH'
{TEST_PATCH}EOF_TEST_PATCH
: '>>>>> Start Test Output'
{{command}}
: '>>>>> End Test Output'
git checkout base -- {TEST_FILE}
"""
COMMAND = "python3 -B -m unittest -v tests.test_adder"
DOCKERFILE = f"""FROM {BASE}
COPY testbed /testbed
WORKDIR /testbed
RUN git init -q && git config user.email t@example.org && git config user.name t \\
 && git add -A && git commit -qm base && git tag base
"""


def row(
    instance: str, *, image: str = IMAGE, command: str = COMMAND, **more: Any
) -> dict[str, Any]:
    """An instance of the data set; `command` stands between the markers of its test output."""
    return {
        "instance_id": instance,
        "repo": "demo/adder",
        "base_commit": "base",
        "problem_statement": "add is wrong",
        "patch": GOLD,
        "test_patch": TEST_PATCH,
        "version": "1",
        "FAIL_TO_PASS": json.dumps(["test_add (tests.test_adder.TestAdder.test_add)"]),
        "PASS_TO_PASS": json.dumps(["test_zero (tests.test_adder.TestAdder.test_zero)"]),
        "image": image,
        "eval_script": EVAL_SCRIPT.format(command=command),
        "log_parser": "parse_log_django",
        "eval_type": "pass_and_fail",
        **more,
    }


def write_dataset(path: Path, *rows: dict[str, Any]) -> Path:
    """The rows as JSON Lines."""
    path.write_text("".join(json.dumps(each) + "\n" for each in rows))
    return path


def build_image(client: Any, tag: str = IMAGE) -> None:
    """Build the image, which holds its name; what is there already costs nothing."""
    files = {
        "Dockerfile": DOCKERFILE,
        "testbed/README": f"{tag}\n",
        "testbed/adder.py": ADDER,
        "testbed/tests/__init__.py": "",
        f"testbed/{TEST_FILE}": TESTS,
    }
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content.encode())
            tar.addfile(entry, io.BytesIO(content.encode()))
    packed.seek(0)
    client.images.build(fileobj=packed, custom_context=True, tag=tag, rm=True, network_mode="none")
