"""Versions of a data set: what each was made from, how two differ, how to publish one and make it again.

DIR/manifest.json                the version that lies in the folder now
DIR/versions/<version>.json      every version that ever lay in it, in the words of its manifest
DIR/versions/<version>.parquet   its input files, and what became of each
"""
