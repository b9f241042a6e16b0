"""How good generated meshes are: distances to what they were generated from, and their topology.

Every number has one definition here, with its unit and the convention it follows; the golden cases of the
evaluation standard are the tests.
"""
