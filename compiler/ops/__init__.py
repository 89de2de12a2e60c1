"""One declaration for each layer."""
