"""Which tokenizer is easier to learn: the same network, meshes and seeds for each, measured at equal cost."""

from training.comparison.settings import ComparisonSettings, load_comparison
from training.comparison.study import compare_training

__all__ = ["ComparisonSettings", "compare_training", "load_comparison"]
