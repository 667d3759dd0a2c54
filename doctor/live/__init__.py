"""The catalogue applied while modules are imported; no file is touched."""
