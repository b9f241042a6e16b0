"""What is said of a value that a configuration does not accept: its key, and the key that was meant."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel

from pipelines.tokenizers import FAMILIES


def explain(owner: type[BaseModel], item: Mapping[str, Any]) -> str:
    """One line for one of pydantic's errors in checking an `owner`."""
    location = [str(part) for part in item["loc"]]
    key = ".".join(location)
    if item["type"] != "extra_forbidden":
        message = str(item["msg"]).removeprefix("Value error, ")
        return f"{key}: {message}" if key else message
    known = _known_keys(owner, location[:-1])
    near = difflib.get_close_matches(location[-1], known, n=3)
    elsewhere = [dotted for dotted in _all_keys(owner) if dotted.split(".")[-1] == location[-1]]
    hint = near or elsewhere
    remedy = f"did you mean {' or '.join(hint)}?" if hint else f"known here: {', '.join(known)}"
    return f"{key}: unknown key; {remedy}"


def _known_keys(owner: type[BaseModel], parts: Sequence[str]) -> list[str]:
    for part in parts:  # below data.tokenizer, pydantic names the family
        owner = _settings_class(owner, part) or FAMILIES.get(part, owner)
    return list(owner.model_fields)


def _all_keys(owner: type[BaseModel], prefix: str = "") -> list[str]:
    keys = []
    for name in owner.model_fields:
        child = _settings_class(owner, name)
        keys += _all_keys(child, f"{prefix}{name}.") if child else [f"{prefix}{name}"]
    return keys


def _settings_class(owner: type[BaseModel], name: str) -> type[BaseModel] | None:
    if name not in owner.model_fields:
        return None
    annotation = owner.model_fields[name].annotation
    for kind in (annotation, *get_args(annotation)):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None
