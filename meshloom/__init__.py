"""The command line: Meshloom for those who live without a web UI, over the same plain functions."""
