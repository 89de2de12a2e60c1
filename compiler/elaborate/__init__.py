"""Syntax tree to graph.

An expression evaluates to a value: a number, a list, a tensor, or a network, which is a recipe. Applying a network to
tensors makes nodes; only then are parameters made, types inferred and names given.

- A fault in one part of a chain, a list or a call is reported and leaves POISON, which silences whatever meets it.
- Application carries the pending name: the label, or the number of a list's element. A layer takes it as its own,
  anything else opens a scope of that name. A scope that turns out to hold one layer that names itself gives it its
  name. Labels around tensor expressions are virtual until something is applied inside.
- Automatic names are given when all labels of a scope are known, so that no label collides with one.
- Sharing is a tape: the first application of something `shared` records the scopes that it opens and the nodes that it
  makes, and later ones walk the same list. `fresh` steps off the tape.
- A block that depends on nothing but the types of its inputs is evaluated once: `unit(c) ** 100` keeps the recipe.

The modules stand in an order, which a contract holds: values, the machine (the budgets, and the graph under
construction), expressions, statements, archs. What a body's `in` and `output` mean is the frame of its environment.

The elaborator imports neither figures nor rewrites: it asks for `Measures` and `Rewrites`, which `program` fills.
"""
