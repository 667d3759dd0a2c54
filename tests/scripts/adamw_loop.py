"""A loop by hand with the optimizer of transformers.  Fails: AdamW"""

import torch
from tiny import FOLDER, report, rows
from transformers import AdamW, AutoModelForCausalLM, get_linear_schedule_with_warmup

model = AutoModelForCausalLM.from_pretrained(FOLDER)
optimizer = AdamW(model.parameters(), lr=5e-3, correct_bias=True)
scheduler = get_linear_schedule_with_warmup(optimizer, num_warmup_steps=0, num_training_steps=4)
data = rows()
batch = {key: torch.stack([row[key] for row in data]) for key in data[0]}
losses = []
for _ in range(3):
    loss = model(**batch).loss
    loss.backward()
    optimizer.step()
    scheduler.step()
    optimizer.zero_grad()
    losses.append(loss.item())
report(losses)
