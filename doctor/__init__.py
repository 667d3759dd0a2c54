"""Finds and mends what breaks a fine-tuning run on the Hugging Face stack, before it starts."""

__version__ = "0.1.0"
