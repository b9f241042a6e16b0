"""Hosts that the tests start themselves, and an environment that leads to nothing else."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.servers.hub import HubServer


@pytest.fixture
def start_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., HubServer]]:
    """Start a hub of these repositories; its client finds it, with caches of its own."""
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub_cache"))
    monkeypatch.setenv("MESHLOOM_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("HF_TOKEN", raising=False)
    with ExitStack() as stack:

        def start(repositories: dict[str, Path], **options: object) -> HubServer:
            hub = stack.enter_context(HubServer(repositories, **options))
            monkeypatch.setenv("HF_ENDPOINT", hub.url)
            return hub

        yield start
