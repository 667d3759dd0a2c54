"""LoRA with the settings of 2023.  Fails: evaluation_strategy, tokenizer"""

import transformers
from peft import LoraConfig, TaskType, get_peft_model
from tiny import FOLDER, OUT, report, rows

tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER, padding_side="left")
tokenizer.pad_token_id = 0
model = transformers.AutoModelForCausalLM.from_pretrained(FOLDER)
transformers.set_seed(1)
model = get_peft_model(model, LoraConfig(task_type=TaskType.CAUSAL_LM, r=2, target_modules=["q_proj"]))
trainer = transformers.Trainer(
    model=model,
    train_dataset=rows(),
    args=transformers.TrainingArguments(
        per_device_train_batch_size=8,
        gradient_accumulation_steps=1,
        warmup_steps=0,
        max_steps=2,
        learning_rate=3e-3,
        fp16=False,
        logging_steps=1,
        optim="adamw_torch",
        evaluation_strategy="steps" if False else "no",
        save_strategy="no",
        output_dir=OUT,
        load_best_model_at_end=False,
        ddp_find_unused_parameters=None,
        group_by_length=False,
        report_to=None or "none",
        no_cuda=True,
    ),
    tokenizer=tokenizer,
)
model.config.use_cache = False
trainer.train()
report(trainer)
