from pathlib import Path

import numpy as np

from assets_defs.train.assets import run_metadata
from pipelines.pictures import as_markdown_image, render_mesh, to_png


def test_the_newest_sheet_of_samples_is_shown(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("seed: 0\n")
    assert "samples" not in run_metadata(tmp_path, tmp_path, "1")
    corners, face = np.eye(3), np.array([[0, 1, 2]])
    sheets = {
        step: to_png(render_mesh(corners, face, size)) for step, size in ((999_999, 16), (1_000_000, 24))
    }
    (tmp_path / "samples").mkdir()
    for step, png in sheets.items():
        (tmp_path / "samples" / f"step-{step:06d}.png").write_bytes(png)
    (tmp_path / "samples" / ".step-2000000.png.part").write_bytes(b"")
    shown = run_metadata(tmp_path, tmp_path, "1")["samples"].value
    assert shown == as_markdown_image(sheets[1_000_000], "samples of step-1000000")
