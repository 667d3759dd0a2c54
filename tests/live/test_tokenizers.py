"""A tokenizer as authors publish it answers on this release, once rewritten, what it answers where it was written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from doctor.patch import rewrite

pytestmark = [pytest.mark.live, pytest.mark.filterwarnings("ignore")]

UP = "        super().__init__(padding_side=padding_side, add_eos_token=add_eos_token, **kwargs)\n"
READ = """        self.add_eos_token = add_eos_token
        self.vocab_file = vocab_file
        self.words = Words(vocab_file)
"""
TOKENIZER = """
import shutil
from transformers import PreTrainedTokenizer


class Words:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.all = file.read().split()
        self.ids = {word: index for index, word in enumerate(self.all)}


class WordTokenizer(PreTrainedTokenizer):
    vocab_files_names = {"vocab_file": "words.txt"}
    model_input_names = ["input_ids", "attention_mask", "position_ids"]

    def __init__(self, vocab_file, padding_side="left", add_eos_token=True, **kwargs):
READ_AND_UP
    @property
    def vocab_size(self):
        return len(self.words.all)

    def get_vocab(self):
        return {**self.words.ids, **self.added_tokens_encoder}

    def _tokenize(self, text, **kwargs):
        return text.split()

    def _convert_token_to_id(self, token):
        return self.words.ids.get(token, 0)

    def _convert_id_to_token(self, index):
        return self.words.all[index]

    def convert_tokens_to_string(self, tokens):
        return " ".join(tokens)

    def save_vocabulary(self, save_directory, filename_prefix=None):
        target = save_directory + "/words.txt"
        if target != self.vocab_file:
            shutil.copy(self.vocab_file, target)
        return (target,)

    def build_inputs_with_special_tokens(self, token_ids_0, token_ids_1=None):
        end = [self.words.ids["</s>"]] if self.add_eos_token else []
        return [self.words.ids["[gMASK]"]] + token_ids_0 + (token_ids_1 or []) + end

    def chat(self, ids):
        return self.batch_encode_plus([ids], is_split_into_words=True)

    def _pad(self, encoded_inputs, max_length=None, padding_strategy=None, pad_to_multiple_of=None,
             return_attention_mask=None):
        assert self.padding_side == "left"
        ids = encoded_inputs["input_ids"]
        missing = (max_length or len(ids)) - len(ids)
        encoded_inputs.setdefault("position_ids", list(range(len(ids))))
        encoded_inputs["attention_mask"] = [0] * missing + [1] * len(ids)
        encoded_inputs["position_ids"] = [0] * missing + encoded_inputs["position_ids"]
        encoded_inputs["input_ids"] = [self.pad_token_id] * missing + ids
        return encoded_inputs
"""
ASK = """
import json, sys, tempfile
from transformers import AutoTokenizer

def answers(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
    yield [len(tokenizer), tokenizer.vocab_size, tokenizer.unk_token_id, tokenizer.pad_token_id]
    yield [dict(tokenizer(["to be or", "not"], padding=True)), dict(tokenizer("to", "be"))]
    yield [dict(tokenizer(["to be", "be"], padding="max_length", max_length=6)), dict(tokenizer.chat([3, 4]))]
    yield [tokenizer.decode([3, 4, 5]), tokenizer.convert_ids_to_tokens([3, 7])]
    yield tokenizer.get_special_tokens_mask([3, 4])
    with tempfile.TemporaryDirectory() as saved:
        tokenizer.save_pretrained(saved)
        for name in ("tokenization_words.py", "config.json"):
            open(f"{saved}/{name}", "w").write(open(f"{folder}/{name}").read())
        again = AutoTokenizer.from_pretrained(saved, trust_remote_code=True)
        yield [dict(again("not to be")), again.add_eos_token, again.pad_token]

print(json.dumps(list(answers(sys.argv[1]))))
"""
CONFIG = {"auto_map": {"AutoTokenizer": ["tokenization_words.WordTokenizer", None]}, "add_eos_token": False}
SPECIAL = {"unk_token": "<unk>", "pad_token": "<pad>", "tokenizer_class": "WordTokenizer"}


def published(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "tokenization_words.py").write_text(text, "utf-8")
    (folder / "words.txt").write_text("<unk> <pad> </s> to be or not [gMASK]", "utf-8")
    (folder / "tokenizer_config.json").write_text(json.dumps({**CONFIG, **SPECIAL}), "utf-8")
    (folder / "config.json").write_text('{"model_type": "words"}', "utf-8")
    return folder


def asked(folder: Path, release: str | None = None) -> Any:
    """What a repository answers, on this release or on another."""
    variables = {**os.environ, "HF_HOME": str(folder.with_name("home")), "HF_HUB_OFFLINE": "1"}
    if release:
        variables["PYTHONPATH"] = os.pathsep.join([release, *filter(None, sys.path[1:])])
    command = [sys.executable, "-W", "ignore", "-c", ASK, str(folder)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr.strip().splitlines()[-1:]


def test_it_answers_what_it_answered_where_it_was_written(tmp_path: Path) -> None:
    written = TOKENIZER.replace("READ_AND_UP", READ + UP)
    older = TOKENIZER.replace("READ_AND_UP", UP + READ)  # as it ran before 4.34
    expected = asked(published(tmp_path / "origin", written), os.environ["ORIGIN"])
    assert expected[0] == [8, 8, 0, 1] and len(expected) == 6
    assert "padding_side" in str(asked(published(tmp_path / "before", written)))
    assert asked(published(tmp_path / "after", rewrite(written).text)) == expected
    assert asked(published(tmp_path / "older", rewrite(older).text)) == expected
