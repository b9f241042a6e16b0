"""Meshes from conditions, thousands at a time."""
