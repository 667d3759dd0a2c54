"""A download or a load is given a keyword that has another name now, or that changes nothing.

`use_auth_token` became `token`, `use_flash_attention_2=True` became `attn_implementation="flash_attention_2"`;
`resume_download` and `local_dir_use_symlinks` ask for what is done anyway.  transformers 5.0
hands them to the model (`TypeError: ... got an unexpected keyword argument 'use_auth_token'`), a tokenizer swallows
the token in silence, and huggingface-hub 1.0 refuses them.

Reference: https://github.com/huggingface/transformers/blob/main/MIGRATION_GUIDE_V5.md
"""

from __future__ import annotations

from doctor.argument_patch import FROM_PRETRAINED, ArgumentPatch, literal
from doctor.given import Given
from doctor.patch import Example

HUB = (
    "cached_download", "create_repo", "hf_hub_download", "hf_hub_url", "list_repo_files", "model_info", "dataset_info",
    "repo_info", "snapshot_download", "try_to_load_from_cache", "upload_file", "upload_folder",
)  # fmt: skip
IDLE = ("resume_download", "local_dir_use_symlinks")
IMPORT = "from transformers import AutoModel, AutoTokenizer\n"


class LegacyKeyword(ArgumentPatch):
    old, new = "transformers<5", "transformers>=4.36"
    needles = tuple(name.encode() for name in (*IDLE, "use_auth_token", "use_flash_attention_2"))
    of = frozenset(
        {
            *FROM_PRETRAINED,
            *(f"transformers.PreTrainedModel.{name}" for name in ("push_to_hub", "save_pretrained")),
            *(f"transformers.PreTrainedTokenizerBase.{name}" for name in ("push_to_hub", "save_pretrained")),
            *(f"transformers.PreTrainedConfig.{name}" for name in ("push_to_hub", "save_pretrained")),
            *(f"huggingface_hub.{name}" for name in HUB),
            "datasets.load_dataset",
            "transformers.pipeline",
        }
    )
    mends = tuple(
        f"argument:{callee}.{name}"
        for callee in sorted(of)
        for name in (*IDLE, "use_auth_token", "use_flash_attention_2")
    )
    examples = [
        Example(
            f'{IMPORT}t = AutoTokenizer.from_pretrained("m", use_auth_token=True)\n'
            'm = AutoModel.from_pretrained("m", use_auth_token=args.token, resume_download=True)',
            f'{IMPORT}t = AutoTokenizer.from_pretrained("m", token=True)\n'
            'm = AutoModel.from_pretrained("m", token=args.token)',
        ),
        Example(
            f'{IMPORT}m = AutoModel.from_pretrained("m", use_flash_attention_2=True)\n'
            'm = AutoModel.from_pretrained("m", use_flash_attention_2=flash)',
            f'{IMPORT}m = AutoModel.from_pretrained("m", attn_implementation="flash_attention_2")\n'
            'm = AutoModel.from_pretrained("m", **({"attn_implementation": "flash_attention_2"} if flash else {}))',
        ),
        Example(
            "from huggingface_hub import snapshot_download\n"
            "snapshot_download('m', local_dir='d', local_dir_use_symlinks=False, resume_download=True)",
            "from huggingface_hub import snapshot_download\nsnapshot_download('m', local_dir='d')",
        ),
        Example(f'{IMPORT}m = AutoModel.from_pretrained("m", token=True)  # use_auth_token', keeps="the new name"),
        Example("from diffusers import Pipe\nPipe.from_pretrained('m', use_auth_token=True)", keeps="another library"),
    ]  # fmt: skip
    proof = """
from scenery import Tiny, folder

class M(Tiny):
    pass

M.from_pretrained(folder(), use_auth_token=None, resume_download=True)
"""

    def amend(self, given: Given) -> None:
        if "token" in given:
            given.remove("use_auth_token")
        given.rename("use_auth_token", "token")
        for name in IDLE:
            given.remove(name)
        flash = literal(given.get("use_flash_attention_2"))
        if flash in (False, None) or "attn_implementation" in given:
            given.remove("use_flash_attention_2")
        elif flash is True:
            given.replace("use_flash_attention_2", "attn_implementation", '"flash_attention_2"')
        elif code := given.code("use_flash_attention_2"):
            choice = f'{{"attn_implementation": "flash_attention_2"}} if {code} else {{}}'
            given.spread("use_flash_attention_2", choice)
