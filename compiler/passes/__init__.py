"""Graph to graph, exact or refused at the layer that stands in the way.

- A replay makes each node anew, with another op where the rewrite says so, or leaves it out. Types and requirements
  are inferred afresh; scopes, names, sharing, frozen parts and places in the source are kept.
- A wiring says which tensors nodes take instead of their own: rewrites of structure are made of it.
- `Graph.weight_maps` says of each tensor that is another than before which ones it is made of, and how; a checkpoint
  is brought over by these maps, one rewrite after another. A tensor that starts anew is `fresh` in them.
- What a rewrite finds out about its result, as Kendall's tau, stands in `Graph.notes`.
"""
