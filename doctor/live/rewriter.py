"""Patches one file: `python -I rewriter.py NAME <source >patched`, run by the doctor's own interpreter.

stdout is one line of JSON, {"patches": [ids], "reason": "why it was left as it is"}, then the patched bytes,
none where no patch applies.
"""

from __future__ import annotations

import io
import json
import sys
import tokenize
from pathlib import Path


def patched(source: bytes) -> tuple[bytes, tuple[str, ...]]:
    """The patched file and the ids of its patches.  Raises ValueError with the reason where it is refused."""
    import libcst as cst

    from doctor.patch import Refusal, catalogue, rewrite

    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(source).readline)
        done = rewrite(
            source.decode(encoding), [patch for patch in catalogue() if patch.safe and patch.family == "remote-code"]
        )
        return done.text.encode(encoding), done.patches
    except cst.ParserSyntaxError as error:
        raise ValueError(f"line {error.raw_line} is not Python 3") from error
    except (SyntaxError, UnicodeError) as error:
        raise ValueError(f"it cannot be decoded: {error}") from error
    except RecursionError as error:
        raise ValueError("it is nested too deeply to be parsed") from error
    except Refusal as error:
        raise ValueError(str(error)) from error


def main() -> int:
    """Read stdin, write stdout."""
    try:
        text, patches = patched(sys.stdin.buffer.read())
        header = {"patches": patches, "reason": ""}
    except ValueError as error:
        text, header = b"", {"patches": (), "reason": str(error)}
    sys.stdout.buffer.write(json.dumps(header).encode() + b"\n" + (text if header["patches"] else b""))
    return 0


if __name__ == "__main__":
    # The very doctor that `doctor run` belongs to, installed or not.
    sys.path.insert(0, str(Path(__file__).parents[2]))
    sys.exit(main())
