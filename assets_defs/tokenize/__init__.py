"""From meshes to tokens."""
