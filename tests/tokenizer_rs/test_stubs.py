"""The type stubs of the wheel say what the extension module is."""

import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_the_stubs_describe_the_module(tmp_path):
    allowed = tmp_path / "allowed"
    # The package holds the extension module under the same name; it is described as the package.
    allowed.write_text("tokenizer_rs.tokenizer_rs\n")
    command = [sys.executable, "-m", "mypy.stubtest", "tokenizer_rs", "--concise", "--ignore-disjoint-bases"]
    options = ["--allowlist", str(allowed), "--mypy-config-file", str(PROJECT / "pyproject.toml")]
    found = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
