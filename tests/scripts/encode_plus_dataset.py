"""A torch Dataset that encodes one text at a time.  Fails: encode_plus"""

from tiny import FOLDER, OUT, report, texts
from torch.utils.data import Dataset
from transformers import AutoModelForCausalLM, AutoTokenizer, Trainer, TrainingArguments


class Lines(Dataset):
    def __init__(self, lines, tokenizer, max_len=8):
        self.lines, self.tokenizer, self.max_len = lines, tokenizer, max_len

    def __len__(self):
        return len(self.lines)

    def __getitem__(self, index):
        enc = self.tokenizer.encode_plus(
            self.lines[index],
            add_special_tokens=True,
            max_length=self.max_len,
            padding="max_length",
            truncation=True,
            return_tensors="pt",
        )
        ids = enc["input_ids"][0]
        labels = ids.masked_fill(ids == 0, -100)
        labels[0] = -100
        return {"input_ids": ids, "attention_mask": enc["attention_mask"][0], "labels": labels}


data = Lines(texts(), AutoTokenizer.from_pretrained(FOLDER))
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), TrainingArguments(OUT, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True), train_dataset=data)
trainer.train()
report(trainer)
