"""Seq2SeqTrainer with the old strategy name.  Fails: evaluation_strategy"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, AutoTokenizer, Seq2SeqTrainer, Seq2SeqTrainingArguments

tokenizer = AutoTokenizer.from_pretrained(FOLDER)
args = Seq2SeqTrainingArguments(
    OUT, evaluation_strategy="epoch", predict_with_generate=False, num_train_epochs=2, per_device_train_batch_size=8,
    logging_steps=1, save_strategy="no", report_to="none", use_cpu=True,
)  # fmt: skip
trainer = Seq2SeqTrainer(
    AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows(), eval_dataset=rows(), tokenizer=tokenizer
)
trainer.train()
report(trainer)
