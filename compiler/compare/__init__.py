"""Two graphs, or a graph and a checkpoint: differences, proofs of equivalence, names of tensors.

A difference aligns two trees of regions scope by scope and then along the flow of data, in one canonical order of the
two, so that B against A is the mirror of A against B. A proof writes both graphs as expressions over slices of their
weights and walks them from the outputs to the inputs: no entry may get two counterparts, however pairs were guessed.
"""
