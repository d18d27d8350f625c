"""The shape of a language model: what its layers hold."""

from __future__ import annotations

from typing import Annotated

import msgspec

from optsched.prediction.curves.base import Count, PositiveInt

__all__ = ["GPT_VOCABULARY", "Architecture"]

GPT_VOCABULARY = 51_200
"""Tokens of a vocabulary that a table does not name: GPT-2's, padded for tensor parallelism."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Architecture(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A decoder: its sizes, and for mixtures of experts and hybrids what its layers are.

    layers, hidden, heads
        Number of layers, width, attention heads.
    kv_heads, head_dim
        Heads of keys and values (None: as many as ``heads``), and width of a head (None: hidden / heads).
    ffn, gated
        Inner width of a dense feed-forward layer (None: 4 x hidden), and whether it has a gate (three matrices).
    vocabulary
        Tokens; the embedding is counted once.
    experts, active_experts, expert_ffn, shared_ffn, expert_hidden
        Of a mixture of experts: experts of a layer, how many serve a token, the inner width of one and of the shared
        ones together, and the width at which experts work (None: hidden).
    dense_layers
        Layers of a mixture that have a dense feed-forward part.
    attention_share, expert_share, recurrent_share
        Parts of the layers that have attention, experts, and a state-space mixer; a transformer has 1, 1, 0.
    """

    layers: PositiveInt
    hidden: PositiveInt
    heads: PositiveInt
    kv_heads: PositiveInt | None = None
    head_dim: PositiveInt | None = None
    ffn: Count | None = None
    gated: bool = False
    vocabulary: PositiveInt = GPT_VOCABULARY
    experts: Count = 0
    active_experts: Count = 0
    expert_ffn: Count = 0
    shared_ffn: Count = 0
    expert_hidden: PositiveInt | None = None
    dense_layers: Count = 0
    attention_share: Share = 1.0
    expert_share: Share = 1.0
    recurrent_share: Share = 0.0

    @property
    def attention_width(self) -> int:
        """Heads times the width of one."""
        return self.heads * (self.head_dim or self.hidden // self.heads)

    @property
    def kv_width(self) -> int:
        """Heads of keys and values times the width of one."""
        return (self.kv_heads or self.heads) * (self.head_dim or self.hidden // self.heads)

    @property
    def dense_per_layer(self) -> float:
        """Parameters of an average layer that serve every token: attention, dense and shared feed-forward, mixers."""
        matrices = 3 if self.gated else 2
        attention = self.attention_share * self.hidden * 2 * (self.attention_width + self.kv_width)
        mixer = self.recurrent_share * 6 * self.hidden**2
        inner = 4 * self.hidden if self.ffn is None else self.ffn
        if not self.experts:
            return attention + mixer + matrices * self.hidden * inner
        dense = self.dense_layers / self.layers
        shared = (1 - dense) * self.expert_share * matrices * self.hidden * self.shared_ffn
        return attention + mixer + dense * matrices * self.hidden * inner + shared

    @property
    def expert_parameters(self) -> float:
        """Parameters of one expert, averaged over all layers."""
        if not self.experts:
            return 0.0
        share = self.expert_share * (1 - self.dense_layers / self.layers)
        return share * (3 if self.gated else 2) * (self.expert_hidden or self.hidden) * self.expert_ffn

    @property
    def parameters(self) -> float:
        """All parameters, with one embedding."""
        per_layer = self.dense_per_layer + self.experts * self.expert_parameters
        return self.layers * per_layer + self.vocabulary * self.hidden

    @property
    def active_parameters(self) -> float:
        """Parameters that serve one token, with the output layer."""
        per_layer = self.dense_per_layer + self.active_experts * self.expert_parameters
        return self.layers * per_layer + self.vocabulary * self.hidden
