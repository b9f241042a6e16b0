"""The data work as plain functions over files and tables: no torch, no Dagster.

from pipelines.curation import curate
curate(["local:meshes", "builtin:"], "data")
"""
