"""The text of a Python file."""
