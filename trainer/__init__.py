"""Supervised fine-tuning on transformers.Trainer and peft.  Its place; nothing is here yet."""
