"""What is said of meshes, as features of a frozen text encoder: computed once, and kept like codes.

data:
  captions: captions.parquet           # mesh_id, text; or CSV; without it, category or name in the tables
  text_encoder: models/t5-v1_1-base    # a folder with a T5 that `transformers` reads (extra: text)
"""

import functools
import hashlib
import importlib.util
import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from pipelines.storage import DataFolder, fingerprint
from training.config import ConfigError, ExperimentConfig
from training.data import DataError, Failed, Prepared
from training.derived_store import DerivedStore, content_key

VERSION = 1
MAX_TEXT_TOKENS = 256
MAX_CHARACTERS = 10_000  # of a stranger's text; far more than fills the tokens
_OTHER_FRAMEWORKS = frozenset({".h5", ".msgpack", ".ot", ".onnx"})


class TextEncoder:
    """The encoder half of a T5, read from disk when it is first needed."""

    def __init__(self, folder: Path, width: int, device: torch.device) -> None:
        """Raises ConfigError where the folder holds no encoder of this width, or cannot be read here."""
        self.folder, self.width, self.device = Path(folder), width, device
        try:
            found = json.loads((self.folder / "config.json").read_text())["d_model"]
        except (OSError, ValueError, KeyError, TypeError):
            raise ConfigError(
                f"data.text_encoder: {folder} has no config.json of a T5; give the folder of one"
            ) from None
        if found != width:
            raise ConfigError(
                f"data.text_encoder: {folder} gives {found} channels, and the model reads {width}; "
                f"set the model's text_width to {found}"
            )
        if importlib.util.find_spec("transformers") is None:
            raise ConfigError("texts need the package transformers; install meshloom[text]")

    @classmethod
    def of(cls, config: ExperimentConfig, device: torch.device) -> "TextEncoder | None":
        """The one that a run reads texts with; None where it reads none. Raises ConfigError."""
        width, folder = config.needs.text_width, config.data.text_encoder
        return None if width is None or folder is None else cls(folder, width, device)

    @functools.cached_property
    def fingerprint(self) -> str:
        """Names weights, vocabulary and the kind of device, which may round otherwise."""
        files = [path for path in sorted(self.folder.iterdir()) if path.suffix not in _OTHER_FRAMEWORKS]
        settings = {"max_tokens": MAX_TEXT_TOKENS, "device": self.device.type}
        return fingerprint("text", VERSION, settings, [path for path in files if path.is_file()])

    def __call__(self, text: str) -> NDArray[np.float32]:
        """Features (S, C) of a text; none (0, C) for an empty one, which says as little as a left out one."""
        text = text[:MAX_CHARACTERS].strip()
        if not text:
            return np.zeros((0, self.width), dtype=np.float32)
        tokenizer, network = self._loaded
        ids = tokenizer(text, truncation=True, max_length=MAX_TEXT_TOKENS, return_tensors="pt").input_ids
        with torch.no_grad(), torch.autocast(self.device.type, enabled=False):
            features_1SC = network(input_ids=ids.to(self.device)).last_hidden_state
        return features_1SC[0].float().cpu().numpy()

    @functools.cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from transformers import AutoTokenizer, T5EncoderModel

        tokenizer = AutoTokenizer.from_pretrained(self.folder, local_files_only=True)
        network = T5EncoderModel.from_pretrained(self.folder, local_files_only=True, dtype=torch.float32)
        return tokenizer, network.requires_grad_(False).eval().to(self.device)


class Texts:
    """Adds `text` (S, C) to samples; a mesh of which nothing is said has none (0, C)."""

    def __init__(self, captions: dict[str, str], encoder: TextEncoder, store: DerivedStore) -> None:
        self.captions, self.encoder, self.store = captions, encoder, store

    @classmethod
    def of(cls, config: ExperimentConfig, device: torch.device, data: Path, run: Path) -> "Texts | None":
        """Those of a run; None where it reads none. Raises ConfigError or DataError."""
        encoder = TextEncoder.of(config, device)
        if encoder is None:
            return None
        store = DerivedStore.of(data, run, f"text-{encoder.fingerprint[:32]}")
        return cls(read_captions(config.data.captions, data), encoder, store)

    def __call__(self, sample: Prepared | Failed, is_kept: bool) -> Prepared | Failed:
        """The sample with what is said of its mesh, which stays the same however the mesh moves."""
        if isinstance(sample, Failed):
            return sample
        text = self.captions.get(sample.mesh_id, "")
        return Prepared(sample.mesh_id, {**sample.arrays, "text": self.features(text)})

    def features(self, text: str) -> NDArray[Any]:
        """Features (S, C) of a text, looked up or computed and kept."""
        key = content_key({"text": np.frombuffer(text.encode(), dtype=np.uint8)})
        kept = self.store.read(key)
        if kept is None:
            kept = {"text": self.encoder(text)}
            self.store.write(key, kept)
        return kept["text"]


def read_captions(path: Path | None, data: Path) -> dict[str, str]:
    """Text by mesh_id, of a Parquet or CSV file with these columns, or of the tables of the data set.

    Of the tables it is the category, where that is a word, or else the name.
    Raises DataError.
    """
    if path is None:
        return _captions_of_tables(data)
    try:
        frame = pl.read_csv(path, infer_schema=False) if path.suffix == ".csv" else pl.read_parquet(path)
        frame = frame.select(pl.col("mesh_id", "text").cast(pl.String))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise DataError(
            f"data.captions: {path} cannot be read as Parquet or CSV with columns mesh_id and text: {error}"
        ) from None
    twice = frame.filter(pl.col("mesh_id").is_duplicated())["mesh_id"]
    if len(twice):
        raise DataError(f"data.captions: {path} has several texts of {twice[0]}; give one for each mesh")
    return _as_dictionary(frame)


def captions_of_run(config: ExperimentConfig, data: Path) -> dict[str, str]:
    """Text by mesh_id, as `read_captions` has it; none where a run reads no texts. Raises DataError."""
    is_reading = config.needs.text_width is not None and config.data.text_encoder is not None
    return read_captions(config.data.captions, data) if is_reading else {}


def _captions_of_tables(data: Path) -> dict[str, str]:
    is_word = pl.col("category").str.contains(r"\p{L}")
    text = pl.when(is_word).then("category").otherwise("name").str.replace_all("_", " ")
    try:
        frame = DataFolder(Path(data)).scan("curated").select("mesh_id", text=text).collect()
    except FileNotFoundError:
        raise DataError(
            f"{data} has no table that says what its meshes are; give data.captions=FILE "
            f"(Parquet or CSV with columns mesh_id and text)"
        ) from None
    return _as_dictionary(frame)


def _as_dictionary(frame: pl.DataFrame) -> dict[str, str]:
    return dict(frame.drop_nulls().select("mesh_id", "text").iter_rows())


def check_texts(config: ExperimentConfig, data: Path, mesh_ids: list[str]) -> str | None:
    """sha256 of what is said of these meshes and what reads it; None where a run reads no texts.

    Raises ConfigError or DataError, also where nothing is said of any of them.
    """
    encoder = TextEncoder.of(config, torch.device("cpu"))
    if encoder is None:
        return None
    captions = read_captions(config.data.captions, data)
    said = [[mesh_id, captions[mesh_id]] for mesh_id in mesh_ids if captions.get(mesh_id, "").strip()]
    if not said:
        raise DataError(f"none of the {len(mesh_ids)} meshes of {data} has a text; see data.captions")
    content = json.dumps([encoder.fingerprint, said], ensure_ascii=False)
    return f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
