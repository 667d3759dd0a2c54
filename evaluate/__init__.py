"""Scores a model's answers, says what is wrong with them, and whether another run is better."""
