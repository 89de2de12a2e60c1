"""The text of a spec."""
