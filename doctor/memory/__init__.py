"""Peak memory of loading, training and generating, by transformers release, from config.json and safetensors headers.

Every figure follows from shapes and from what the release's own source does: how its loader reserves and reads, what
bitsandbytes keeps beside four bits, what peft copies to fp32, what autograd saves.  `tests/memory` compares the
predictions with peaks that were measured.
"""
