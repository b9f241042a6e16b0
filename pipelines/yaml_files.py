"""Settings that people write as YAML: read, and what is wrong with them in words."""

from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

Settings = TypeVar("Settings", bound=BaseModel)
_CONSEQUENCE = "default_factory_not_called"
"""What pydantic says of a default that another fault left without its input."""


class YamlFileError(ValueError):
    """A file that does not hold what it should: its path, and what is wrong."""


def read_yaml(path: Path) -> dict[str, Any]:
    """Keys and values of a file; none where it is empty.

    Raises YamlFileError where it cannot be read, is not YAML, or holds something else.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise YamlFileError(f"{path} cannot be read as YAML: {error}") from None
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise YamlFileError(f"{path} holds a {type(content).__name__}; it must hold keys and values")
    return content


def checked(settings: type[Settings], content: dict[str, Any], origin: Path | str) -> Settings:
    """Keys and values as settings of a class. Raises YamlFileError: their origin, and each key at fault."""
    try:
        return settings.model_validate(content)
    except ValidationError as error:
        faults = [item for item in error.errors() if item["type"] != _CONSEQUENCE]
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in faults]
        raise YamlFileError(f"{origin}: " + "\n".join(lines)) from None
