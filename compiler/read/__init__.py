"""A PyTorch module as a graph.

1. `trace` exports the module with `torch.export`: what is computed of what, before decomposition, with open sizes.
2. `reader` goes through that and makes a node of each call, by the tables of `aten` (functions of torch's) and `leaves`
   (modules that are one layer). Types are inferred as everywhere; the live module gives names and settings.
3. `whole` names the modules, finds which outputs training alone has, and sets the usual sizes.
4. `verify` runs the module of the graph beside the source, with the source's weights.

`files` reads `.pt2` and ONNX: both become a module (`replay`) that runs the file's steps, and go the same way.

With `emit` it is the only importer of torch.
"""
