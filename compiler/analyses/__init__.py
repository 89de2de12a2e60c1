"""Graph in, figures out.

An analysis knows layers by what they declare, as data: `multiply_adds`, `arriving` (the inputs whose values arrive),
`index_map` (which places of an input a place of the output takes), `saved_for_backward`. A layer without a declaration
makes a result that says so.
"""
