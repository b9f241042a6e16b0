from collections.abc import Callable
from pathlib import Path

import pytest

from tests.training.test_generation import CONFIG, Scripted, box_tokens, conditions
from training.generated_table import file_names
from training.generation import generate_meshes


@pytest.mark.parametrize("torn", [b'{"name":"box 9","uri', b"\xff\xfe{", b"[1]", b'{"name":1}'])
def test_a_torn_line_is_not_a_row(tmp_path: Path, torn: bytes) -> None:
    generator = Scripted([(box_tokens([1, 0.5, 0.3]), True)] * 3)
    expected = generate_meshes(generator, CONFIG, conditions(3), tmp_path / "whole")

    def interrupt(n: int) -> Callable[[int, int], None]:
        def raise_at(done: int, _: int) -> None:
            if done == n:
                raise KeyboardInterrupt

        return raise_at

    out = tmp_path / "torn"
    with pytest.raises(KeyboardInterrupt):
        generate_meshes(generator, CONFIG, conditions(3), out, batch_size=1, on_progress=interrupt(1))
    with (out / "generated.jsonl").open("ab") as journal:
        journal.write(b"\n" + torn)
    with pytest.raises(KeyboardInterrupt):
        generate_meshes(generator, CONFIG, conditions(3), out, batch_size=1, on_progress=interrupt(2))
    generator.asked.clear()
    assert generate_meshes(generator, CONFIG, conditions(3), out).equals(expected)
    assert generator.asked == [2]
    table = "generated.parquet"
    assert (out / table).read_bytes() == (tmp_path / "whole" / table).read_bytes()


def test_file_names_are_safe_and_unique() -> None:
    names = ["chair", "a/b", "a_b", "../../etc", "Chair", "", "x" * 300, "tür"]
    files = file_names([(name, f"file:///{i}") for i, name in enumerate(names)])
    assert files[2] != files[1]
    assert len({file.casefold() for file in files}) == len(names)
    assert all("/" not in file and not file.startswith(".") and len(file) < 100 for file in files)
    assert file_names([("chair", "a")]) == ["chair.glb"]
