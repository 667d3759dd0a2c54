"""Findings to a Plan (no I/O), a Plan to files through the Journal, and back."""
