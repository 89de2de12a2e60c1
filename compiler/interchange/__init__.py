"""The graph in the form of networkx, both ways: `to_networkx` writes it, `from_networkx` reads it.

An architecture is a directed graph whose nodes are ops and whose edges are tensors.

A node has `op`, the op's settings as attributes, and where it needs them:

- `path`: a module's name, dotted; without it the module is named by its kind, within `scope`.
- `scope`: the path of the scope that something without a name stands in.
- `types`: what it makes. It is inferred, so it is written and not read.
- `frozen`, `recompute` (equal values: one part that is computed again), `shared_with` (the node whose parameters it
  uses).
- `origin` and `span`: where in a spec it comes from.
- of an input: `shape`, `dtype`, `nominal`. Of an extern: `arriving`, the types that it was declared for.

An initialiser is a pair of its name and its settings, `("normal", {"std": 0.02})`.
Settings that take a tensor (`like`, `survivor`) are true; the tensor is the last of the inputs. An edge has `slot`, the
place among the inputs, which may be left out where the order does not matter, and `port`, the output that it takes (0).

The graph has `name`, `doc`, `parameters`, `notes`, `outputs`, `modules`, `assumed` and `weight_maps`, all optional.
`outputs` is a list of {`name`, `values`: [(node, port), ...], `when_training`}; without it, the one node that leads
nowhere is the output. `modules` has every path of a module or scope, in the order of the checkpoint, with {`block`,
`arguments`, `series`, `shared`} of a scope, and {`same_as`: path} where it is a second name; without it, modules are
registered in topological order. `assumed` are usual sizes that no input states. `weight_maps` has the `maps` of the
rewrites that the graph went through, and the `tensors` that they are for.
"""
