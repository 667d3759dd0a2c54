"""Findings as text, plain text, JSON and Markdown."""
