"""Furniture that needs no download: low-poly meshes drawn by us, CC0, for a first run and for tests.

from pipelines.furniture import build
chair = build("chair", 7)            # the same mesh on every machine

They are made the way people model: closed solids, sheets without thickness, parts that merely touch,
handles, steps that meet in an edge. A curation that only knows clean solids fails on them.
"""

import hashlib
from collections.abc import Callable

import numpy as np
from numpy.random import Generator

from pipelines.furniture import cases, seating, structures, vessels
from pipelines.furniture.solids import Solid

VARIANTS_PER_FAMILY = 30
DECIMALS = 4  # tenths of a millimetre: below them machines disagree about sines

FAMILIES: dict[str, Callable[[Generator], Solid]] = {
    "arch": structures.arch,
    "bed": cases.bed,
    "bench": seating.bench,
    "cabinet": cases.cabinet,
    "chair": seating.chair,
    "frame": structures.frame,
    "ladder": structures.ladder,
    "lamp": vessels.lamp,
    "mug": vessels.mug,
    "planter": vessels.planter,
    "shelf": cases.shelf,
    "sofa": seating.sofa,
    "stairs": structures.stairs,
    "stool": seating.stool,
    "table": cases.table,
    "vase": vessels.vase,
}


def build(family: str, index: int) -> Solid:
    """Variant `index` (>= 0) of a family.

    Raises KeyError for a family that is not in FAMILIES.
    """
    # The family's name, not its place in the table, seeds it: a new family changes no old mesh.
    seed = int.from_bytes(hashlib.sha256(family.encode()).digest()[:4], "big")
    solid = FAMILIES[family](np.random.default_rng([seed, index]))
    return Solid(np.round(solid.vertices, DECIMALS), solid.faces)
