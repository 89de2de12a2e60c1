"""The graph in the form of networkx, both ways: `to_networkx` writes it, `from_networkx` reads it.

A node is an op and an edge a tensor. The op's settings are attributes of its node, where an initialiser is a pair of
its name and its settings, and a setting that takes a tensor is true: the tensor is the last of the inputs. `attributes`
declares what else may be said, and docs/python.md describes it.
"""
