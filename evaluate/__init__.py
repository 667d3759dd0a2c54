"""Scores a model, compares two, reports with intervals.  Its place; nothing is here yet."""
