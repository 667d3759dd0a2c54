"""Generated conversations, and how fast they are checked beside the tokenizer alone.

`data.py write FILE ROWS` writes them; `data.py compare FILE MODEL` prints the ratio of the two rates, in CPU-seconds.
"""

from __future__ import annotations

import json
import random
import sys
import time
from itertools import islice
from pathlib import Path

from packaging.version import Version

from doctor.chat.mask import tokenizer
from doctor.chat.specials import chat_template, special_tokens
from doctor.chat.template import Template
from doctor.model import Skip
from doctor.scan.dataset import BATCH, Wanted, examine
from doctor.scan.model_folder import read_model

WORDS = Path(__file__).read_text("utf-8").lower().replace("_", " ").split()
"""The words of this file: enough of them, and of every length."""
LENGTHS = (20, 60, 10, 60)
"""Words of the turns of a conversation: two questions and their answers."""
TURN, TURNS = 10_000, 5
"""Conversations of one turn of the comparison, and how often the two take turns; the first is not counted."""


def write(path: Path, rows: int) -> None:
    """Conversations of four turns and about 200 tokens each."""
    draw = random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(rows):
            said = [" ".join(draw.choices(WORDS, k=length)).capitalize() + "." for length in LENGTHS]
            turns = [{"role": ("user", "assistant")[n % 2], "content": words} for n, words in enumerate(said)]
            file.write(json.dumps({"messages": turns}) + "\n")


def compare(path: Path, folder: Path) -> float:
    """Rate of a whole check / rate of `encode_batch` on the same texts; they take turns, so that noise hits both."""
    skipped: list[Skip] = []
    model = read_model(str(folder), skipped, headers=True)
    assert model is not None
    template, encoder = (
        Template(chat_template(model) or "", special_tokens(model)),
        tokenizer(str(folder / "tokenizer.json")),
    )
    part = path.with_name("part.jsonl")
    alone = ours = 0.0
    with path.open("rb") as file:
        for turn in range(TURNS):
            lines = list(islice(file, TURN))
            part.write_bytes(b"".join(lines))
            texts = [template.render(json.loads(line)["messages"]) for line in lines]
            start = time.process_time()
            for n in range(0, len(texts), BATCH):
                encoder.encode_batch(texts[n : n + BATCH], add_special_tokens=False)
            between = time.process_time()
            [facts] = examine([str(part)], Wanted(model, 1024, Version("5.23.0")), skipped)
            assert facts.rows == len(lines) and facts.median > 0 and not skipped
            if turn:
                alone, ours = alone + between - start, ours + time.process_time() - between
    return alone / ours


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.stdout.write(f"{compare(Path(sys.argv[2]), Path(sys.argv[3])):.3f}\n")
