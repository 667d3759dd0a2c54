"""The first recipe for LoRA, on a plain model.  Fails: prepare_model_for_int8_training"""

from peft import LoraConfig, get_peft_model, prepare_model_for_int8_training
from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments, set_seed

model = AutoModelForCausalLM.from_pretrained(FOLDER, load_in_8bit=False)
model = prepare_model_for_int8_training(model, use_gradient_checkpointing=False)
set_seed(0)
model = get_peft_model(model, LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
args = TrainingArguments(OUT, learning_rate=1e-2, max_steps=2, per_device_train_batch_size=8, logging_steps=1, save_strategy="no", report_to="none", use_cpu=True)
trainer = Trainer(model=model, args=args, train_dataset=rows())
trainer.train()
report(trainer)
