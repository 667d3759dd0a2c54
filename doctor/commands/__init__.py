"""One file, one command: `run(options)` does it and returns the exit code."""
