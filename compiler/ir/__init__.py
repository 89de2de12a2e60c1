"""The graph, tensor types and symbolic sizes."""
