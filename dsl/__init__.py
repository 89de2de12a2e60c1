"""Text to syntax tree and back: sources, spans, diagnostics, limits, parsing, formatting."""
