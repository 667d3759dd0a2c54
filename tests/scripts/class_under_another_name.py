"""TrainingArguments as TA, and a variable that holds the class.  Fails: evaluation_strategy"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer
from transformers import Seq2SeqTrainingArguments as S2STA
from transformers import TrainingArguments as TA

seq2seq = False
Arguments = S2STA if seq2seq else TA
args = Arguments(output_dir=OUT, evaluation_strategy="no", use_ipex=False, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
