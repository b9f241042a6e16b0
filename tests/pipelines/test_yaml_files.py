"""What is said of a file that people wrote wrongly."""

from pathlib import Path

import pytest

from pipelines.settings import CurationSettings
from pipelines.yaml_files import YamlFileError, checked, read_yaml


def test_an_empty_file_holds_nothing(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("# nothing yet\n")
    assert read_yaml(tmp_path / "mine.yaml") == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a: [", r"mine\.yaml cannot be read as YAML: while parsing"),
        (b"\xff", r"mine\.yaml cannot be read as YAML: 'utf-8' codec"),
        (b"[" * 5000, r"mine\.yaml cannot be read as YAML"),
        (b"- a\n- b", r"mine\.yaml holds a list; it must hold keys and values"),
        (None, r"cannot be read as YAML: .*No such file.*mine\.yaml"),
    ],
)
def test_files_that_cannot_be_read_are_named(tmp_path: Path, content: bytes | None, said: str) -> None:
    if content is not None:
        (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(YamlFileError, match=said):
        read_yaml(tmp_path / "mine.yaml")


def test_keys_at_fault_are_named() -> None:
    with pytest.raises(YamlFileError) as caught:
        checked(CurationSettings, {"limits": {"workers": "many"}, "colour": 1}, "mine.yaml")
    assert str(caught.value).startswith("mine.yaml: ")
    assert "limits.workers: Input should be a valid integer" in str(caught.value)
    assert "colour: Extra inputs are not permitted" in str(caught.value)
