"""From a checkpoint to meshes and how good they are."""
