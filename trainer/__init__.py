"""Supervised fine-tuning on transformers.Trainer and peft."""
