"""A loop with accelerate.  Fails: even_batches"""

import torch
from accelerate import Accelerator
from tiny import FOLDER, report, rows
from torch.utils.data import DataLoader
from transformers import AutoModelForCausalLM

accelerator = Accelerator(cpu=True, even_batches=True, dispatch_batches=None)
model = AutoModelForCausalLM.from_pretrained(FOLDER)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
model, optimizer, loader = accelerator.prepare(model, optimizer, DataLoader(rows(), batch_size=4))
losses = []
for batch in loader:
    loss = model(**batch).loss
    accelerator.backward(loss)
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.item())
report(losses)
