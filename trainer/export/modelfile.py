"""An Ollama Modelfile for a GGUF: its template in Ollama's language, what ends an answer, and the system prompt."""

from __future__ import annotations

import json
from collections.abc import Iterable

from doctor.settings import UsageError
from doctor.trainer.export.turns import Turns

QUOTES = '"""'


def render(gguf: str, turns: Turns, bos: str, stops: Iterable[str], system: str = "") -> str:
    """The Modelfile of a GGUF that lies beside it; `bos` is what llama.cpp puts before the text by itself."""
    parts = [f"FROM ./{gguf}", f"TEMPLATE {QUOTES}{template(turns, bos)}{QUOTES}"]
    parts += [f"PARAMETER stop {json.dumps(stop, ensure_ascii=False)}" for stop in dict.fromkeys(stops) if stop]
    if system:
        if QUOTES in system:
            raise UsageError(
                f"the system prompt holds {QUOTES}, which a Modelfile cannot quote; write it there by hand"
            )
        parts.append(f"SYSTEM {QUOTES}{system}{QUOTES}")
    return "\n".join(parts) + "\n"


def template(turns: Turns, bos: str = "") -> str:
    """The texts around turns in Go's template language; each is quoted, so that every space and line break counts."""
    opening, bare = (text.removeprefix(bos) if bos else text for text in (turns.opening, turns.bare))
    said = "{{ .Content }}{{ $system = true }}" if turns.system else ""
    lines = (
        "{{- $asked := false }}{{ $system := false }}{{ range .Messages }}",
        f'{{{{- if eq .Role "system" }}}}{_text(opening)}{said}',
        '{{- else if eq .Role "user" }}',
        f"{{{{- if $system }}}}{_text(turns.asked)}",
        f"{{{{- else if $asked }}}}{_text(turns.user)}",
        f"{{{{- else }}}}{_text(bare)}",
        f"{{{{- end }}}}{{{{ .Content }}}}{_text(turns.answer)}{{{{ $asked = true }}}}{{{{ $system = false }}}}",
        f'{{{{- else if eq .Role "assistant" }}}}{_text(turns.lead)}{{{{ .Content }}}}',
        "{{- end }}{{ end }}",
    )
    return "\n".join(lines)


def _text(text: str) -> str:
    """An action that writes a text; Go reads JSON's escapes."""
    if QUOTES in text:
        raise UsageError(f"the chat template holds {QUOTES}, which a Modelfile cannot quote")
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if text else ""
