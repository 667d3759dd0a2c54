"""What a forward and a backward pass keep on the GPU: bytes a token, from the widths of one layer.

Autograd keeps what the backward pass of each operation reads; what an operation makes on the way is there beside it.
The widths are those of `Dimensions`; `stream` is the size of an element between layers: 2, or 4 where embeddings and
norms are fp32, which carries through every residual, projection and gate.
"""

from __future__ import annotations

from doctor.memory.dimensions import Dimensions

HALF, FULL = 2, 4
"""Bytes of an element in 16 bits, which matrix products read, and in fp32."""
GELU_STEPS = 3
"""Results that a GELU in the words of its formula keeps, more than the one kernel does."""
LOSS = HALF + 4 * FULL
"""Bytes a logit: in 16 bits, in fp32, its log-softmax, and the gradients of both."""
SHIFTED = FULL
"""Bytes a logit more where the loss first copies the shifted logits (transformers before 4.49)."""


def saved_attention(of: Dimensions, stream: int) -> int:
    """The norm before attention, its projections, and what the attention kernel keeps; bytes a token."""
    norm = of.hidden * (HALF + (FULL if stream == HALF else 0))
    if of.head_norms and stream == HALF:
        norm += (of.query + of.key) * FULL
    # Keys and values are repeated for every query head; a slice of a fused projection that is not keeps all of it.
    whole = of.fused_qkv and stream == HALF and of.query == of.key
    values = of.query + 2 * of.key if whole else of.query
    return norm + HALF * (of.query + of.query + values + of.query)


def saved_norm(of: Dimensions, stream: int) -> int:
    """The residual after attention and the norm before the feed-forward block; bytes a token."""
    return of.hidden * (stream + HALF + (FULL if stream == HALF else HALF) + FULL * (of.norms - 2))


def saved_feed_forward(of: Dimensions, stream: int) -> int:
    """The projections, the gate and their product; bytes a token."""
    steps = GELU_STEPS * stream if of.gelu_in_steps else 0
    return of.inner * (((2 * stream + stream) if of.gated else stream) + HALF + steps)


def saved(of: Dimensions, stream: int) -> int:
    """All that one layer keeps for its backward pass; bytes a token."""
    copies = of.hidden * HALF * of.chosen if of.experts else 0
    return saved_attention(of, stream) + saved_norm(of, stream) + saved_feed_forward(of, stream) + copies


def forward(of: Dimensions, stream: int, adapted: bool) -> int:
    """The most that one layer holds while it is computed for its backward pass; bytes a token."""
    before = saved_attention(of, stream) + saved_norm(of, stream)
    wide = of.inner * (2 if of.fused else 1)
    # An adapter's own result, the same scaled, and the sum: beside the layer's result.
    adapter = wide * (2 * HALF if stream == FULL else HALF) + wide * stream if adapted else 0
    gate = 0 if of.fused or not of.gated else of.inner * 2 * stream
    return max(before + gate + wide * stream + adapter, saved(of, stream) + of.inner * stream)


def backward(of: Dimensions, stream: int) -> int:
    """The most that one layer holds while its gradients are computed; bytes a token."""
    gradients = of.inner * stream * 3 + of.hidden * stream
    kept = saved(of, stream) - of.inner * HALF
    return kept + gradients - (0 if of.gated else of.inner * stream)


def inference(of: Dimensions) -> int:
    """The most that one layer holds while a prompt is read, nothing kept; bytes a token."""
    around = 2 * of.hidden
    feed_forward = of.inner * (4 if of.gated else 2)
    attention = 2 * of.query + 2 * of.key + of.query
    return HALF * (around + max(feed_forward, attention))


def scores(of: Dimensions, length: int) -> int:
    """The attention matrix that eager attention keeps, in 16 bits, fp32 and again in 16 bits; bytes a token."""
    return of.heads * length * (HALF + FULL + HALF)
