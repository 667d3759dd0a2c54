"""Scores a model, compares two, reports with intervals."""
