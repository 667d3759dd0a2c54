"""transformers.AdamW by its full name.  Fails: AdamW"""

import torch
import transformers
from tiny import FOLDER, report, rows

model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER).train()
opt = transformers.AdamW(model.parameters(), 1e-3, (0.9, 0.95))
losses = []
for row in rows(2):
    loss = model(input_ids=row["input_ids"][None], labels=row["labels"][None])[0]
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    opt.step()
    opt.zero_grad()
    losses.append(float(loss))
report(losses)
