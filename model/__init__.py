"""The networks: one folder a system, each with the same files.

`config` (sizes, checked), `modules` (the network), `loss`, `generate` (sampling with a cache), `reference`
(checkpoints of the published system), and `system`, which is all that the trainer knows of it: see
`model.systems`. What two systems share is in `model.layers`.
"""
