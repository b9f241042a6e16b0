"""The networks: one folder a system, each with the same files.

``config`` (sizes, checked), ``modules`` (the network), ``loss`` (labels and cross-entropy), ``generate``
(sampling with a cache), ``reference`` (checkpoints of the published system). What two systems share is in
``model.layers``.
"""
