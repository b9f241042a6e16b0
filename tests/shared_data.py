"""Where the specifications' vectors and the development corpus are, for the tests that need them."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("MESHLOOM_SHARED", Path(__file__).parents[1] / ".." / "shared")).resolve()


def shared_path(*parts: str) -> Path:
    """Path below the shared folder; skips the calling test where it is absent."""
    path = SHARED.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not below MESHLOOM_SHARED")
    return path
