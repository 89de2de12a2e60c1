"""Graph to text: Python source, `.arch`, JSON."""
