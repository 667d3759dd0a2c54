"""Everything a template of 2022 listed.  Fails: fp16_opt_level, half_precision_backend, use_ipex, jit_mode_eval, past_index"""

from tiny import FOLDER, OUT, report, rows
from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

args = TrainingArguments(
    output_dir=OUT,
    per_device_train_batch_size=8,
    max_steps=2,
    # precision
    fp16=False,
    fp16_opt_level="O1",
    half_precision_backend="auto",
    jit_mode_eval=False,
    use_ipex=False,
    # rest
    past_index=-1,
    use_legacy_prediction_loop=False,
    use_mps_device=False,
    tpu_num_cores=None,
    tpu_metrics_debug=False,
    mp_parameters="",
    ray_scope="last",
    logging_steps=1,
    save_strategy="no",
    report_to="none",
    use_cpu=True,
)
trainer = Trainer(AutoModelForCausalLM.from_pretrained(FOLDER), args, train_dataset=rows())
trainer.train()
report(trainer)
