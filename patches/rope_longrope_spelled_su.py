"""LongRoPE is compared with one of its two names, `su` and `longrope`.

The first Phi-3 files and their config.json call the method `su` (4.41, 4.42), later ones `longrope`: a file that
knows one name stops with `ValueError: Unknown RoPE scaling type longrope` (or `su`) on a config.json that has the
other, on any release.  Every comparison with one name takes both, in functions that do not tell them apart.

Reference: https://github.com/ShinoharaHare/LLM-Training/issues/2
Reference: https://github.com/Leeroo-AI/mergoo/issues/21
"""

from __future__ import annotations

import re

import libcst as cst

from doctor.patch import Example
from doctor.rope_patch import RopePatch, code, string

OTHER = {"su": "longrope", "longrope": "su"}
_KIND = re.compile(r"type|rope|scal|kind|method", re.I)


class RopeLongropeSpelledSu(RopePatch):
    old, new = "transformers<4.43", "transformers>=4.36"
    needles = (b'"su"', b"'su'", b"longrope")
    examples = [
        Example('if scaling_type == "su":\n    pass', 'if scaling_type in ("su", "longrope"):\n    pass'),
        Example('if rope_type != "longrope":\n    pass', 'if rope_type not in ("longrope", "su"):\n    pass'),
        Example(
            "ok = rope_scaling_type is not None and rope_scaling_type in ['su', 'yarn']",
            "ok = rope_scaling_type is not None and rope_scaling_type in ['su', 'longrope', 'yarn']",
        ),
        Example(
            'ROPES = {"longrope": Long, "linear": Linear}', 'ROPES = {"longrope": Long, "su": Long, "linear": Linear}'
        ),
        Example(
            'match rope_type:\n    case "su":\n        pass',
            'match rope_type:\n    case "su" | "longrope":\n        pass',
        ),
        Example('if language == "su":\n    pass', keeps="Sundanese"),
        Example(
            'def fix(rope_type):\n    return "longrope" if rope_type == "su" else rope_type',
            keeps="it tells the names apart",
        ),
        Example('ok = rope_type in ("su", "longrope")', keeps="both are there"),
    ]
    proof = """
def is_scaled(rope_scaling):
    scaling_type = rope_scaling["type"]
    if scaling_type == "su":
        return True
    raise ValueError(f"Unknown RoPE scaling type {scaling_type}")

assert is_scaled({"type": "su"})
assert is_scaled({"type": "longrope"})
"""

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        if len(original_node.comparisons) != 1 or not self._one_name:
            return updated_node
        target = updated_node.comparisons[0]
        if isinstance(target.operator, cst.In | cst.NotIn):
            # A configuration that knows `default` is one of transformers 5 and puts the old names right itself.
            known = self.unit.config and '"default"' in code(target.comparator)
            words = _both(target.comparator) if _KIND.search(code(original_node.left)) and not known else None
            return updated_node.with_deep_changes(target, comparator=words) if words else updated_node
        if not isinstance(target.operator, cst.Equal | cst.NotEqual):
            return updated_node
        kind, word = updated_node.left, target.comparator
        if string(kind) in OTHER:
            kind, word = word, kind
        if string(word) not in OTHER or not _KIND.search(code(kind)):
            return updated_node
        names = cst.Tuple([cst.Element(word.with_changes(lpar=[], rpar=[])), cst.Element(_named_other(word))])
        operator = cst.In() if isinstance(target.operator, cst.Equal) else cst.NotIn()
        return updated_node.with_changes(left=kind, comparisons=[cst.ComparisonTarget(operator, names)])

    def leave_Dict(self, original_node: cst.Dict, updated_node: cst.Dict) -> cst.Dict:
        known = [string(e.key) for e in original_node.elements if isinstance(e, cst.DictElement)]
        names = [word for word in known if word in OTHER]
        if len(names) != 1 or "type" in known or "rope_type" in known or not (self._one_name or not self.path):
            return updated_node
        values = [code(e.value) for e in original_node.elements if isinstance(e, cst.DictElement)]
        if not all(re.fullmatch(r"[\w.]+", value) for value in values) or len(values) < 2:
            return updated_node
        place = known.index(names[0])
        element = updated_node.elements[place]
        assert isinstance(element, cst.DictElement)
        other = element.with_changes(key=_named_other(element.key), comma=_comma(element.comma))
        kept = element.with_changes(comma=_comma(element.comma))
        rest = updated_node.elements[place + 1 :]
        if not rest:
            other = other.with_changes(comma=element.comma)
        return updated_node.with_changes(elements=[*updated_node.elements[:place], kept, other, *rest])

    def leave_MatchCase(self, original_node: cst.MatchCase, updated_node: cst.MatchCase) -> cst.MatchCase:
        pattern = updated_node.pattern
        if not isinstance(pattern, cst.MatchValue) or string(pattern.value) not in OTHER or not self._one_name:
            return updated_node
        other = cst.MatchValue(_named_other(pattern.value))
        either = [cst.MatchOrElement(pattern, cst.BitOr()), cst.MatchOrElement(other)]
        return updated_node.with_changes(pattern=cst.MatchOr(either))

    @property
    def _one_name(self) -> bool:
        """Whether the function around the node mentions one of the names only."""
        return len(self.facts.spelled.get(self.path, ())) == 1


def _named_other(node: cst.BaseExpression) -> cst.SimpleString:
    word, text = string(node), code(node).strip("()")
    assert word is not None
    return cst.SimpleString(text.replace(word, OTHER[word]))


def _comma(comma: cst.Comma | cst.MaybeSentinel) -> cst.Comma:
    return comma if isinstance(comma, cst.Comma) else cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _both(words: cst.BaseExpression) -> cst.BaseExpression | None:
    """A display of rope types with the other name behind the one that is there."""
    if not isinstance(words, cst.List | cst.Tuple | cst.Set):
        return None
    named = [string(element.value) for element in words.elements]
    if None in named or len([word for word in named if word in OTHER]) != 1:
        return None
    place = next(index for index, word in enumerate(named) if word in OTHER)
    element = words.elements[place]
    other = cst.Element(_named_other(element.value), element.comma)
    first = element.with_changes(comma=cst.Comma(whitespace_after=cst.SimpleWhitespace(" ")))
    return words.with_changes(elements=[*words.elements[:place], first, other, *words.elements[place + 1 :]])
