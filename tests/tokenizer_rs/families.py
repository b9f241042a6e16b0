"""One tokenizer of every family and scheme, for tests of what they have in common."""

import tokenizer_rs

FAMILIES = {
    "silksong": lambda: tokenizer_rs.Silksong(),
    "silksong xyz 256": lambda: tokenizer_rs.Silksong(resolution=256, vertex_mode="xyz"),
    "edgerunner lr_absco": lambda: tokenizer_rs.EdgeRunner(repair=True),
    "face sequence meshgpt": lambda: tokenizer_rs.FaceSequence(),
    "face sequence meshxl": lambda: tokenizer_rs.FaceSequence(order="meshxl"),
    "loom valence": lambda: tokenizer_rs.Loom(scheme="valence"),
    "loom deferred": lambda: tokenizer_rs.Loom(scheme="deferred"),
    "loom deferred 512": lambda: tokenizer_rs.Loom(resolution=512, scheme="deferred"),
}
"""Makers, so that a test which names one family does not build them all."""

OWN_TOPOLOGY = tuple(name for name in FAMILIES if name.startswith(("silksong", "loom")))
"""Families whose decoder alone gives a manifold; the others write triangles, and `repair` joins them."""
