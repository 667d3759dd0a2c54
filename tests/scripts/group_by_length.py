"""Rows of one length are batched together.  Fails: group_by_length"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
args = TrainingArguments(
    output_dir=OUT,
    group_by_length=True,
    per_device_train_batch_size=16,
    max_steps=2,
    logging_steps=1,
    save_strategy="no",
    report_to="none",
    use_cpu=True,
)
data = [{key: value.tolist() for key, value in row.items()} for row in rows(8, 4) + rows(8, 7)]
trainer = Trainer(
    model=AutoModelForCausalLM.from_pretrained(FOLDER),
    args=args,
    train_dataset=data,
    data_collator=DataCollatorForSeq2Seq(tokenizer, padding=True),
)
trainer.train()
report(trainer)
