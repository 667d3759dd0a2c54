"""The catalogue: one file, one libcst rewrite, with its versions and examples."""
