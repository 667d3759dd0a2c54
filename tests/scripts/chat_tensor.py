"""Ids of a conversation straight into the model.  Fails: tokenizers.Encoding"""

import torch
from tiny import FOLDER, report, texts
from transformers import AutoModelForCausalLM, AutoTokenizer

tok = AutoTokenizer.from_pretrained(FOLDER)
model = AutoModelForCausalLM.from_pretrained(FOLDER).train()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
losses = []
for text in texts(2):
    chat = [{"role": "user", "content": text}, {"role": "assistant", "content": "w3"}]
    batch = torch.tensor([tok.apply_chat_template(chat, tokenize=True)])
    loss = model(input_ids=batch, labels=batch).loss
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    losses.append(loss.item())
report(losses)
