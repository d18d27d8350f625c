"""Published architectures by name. Sizes are those of the models' configuration files and reports."""

from __future__ import annotations

from optsched.prediction.language_models.architecture import Architecture

__all__ = ["ARCHITECTURES"]


def _gpt(layers: int, hidden: int, heads: int, vocabulary: int = 51_200) -> Architecture:
    """Return a decoder with two feed-forward matrices of four times its width (GPT-3, MPT)."""
    return Architecture(layers=layers, hidden=hidden, heads=heads, vocabulary=vocabulary)


def _gated(
    layers: int, hidden: int, heads: int, kv_heads: int, ffn: int, vocabulary: int, head_dim: int = 128
) -> Architecture:
    """Return a decoder with a gated feed-forward part and grouped queries (Llama, Qwen, Mistral)."""
    return Architecture(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffn=ffn,
        gated=True,
        vocabulary=vocabulary,
    )


def _mixture(
    layers: int,
    hidden: int,
    heads: int,
    kv_heads: int,
    experts: int,
    active: int,
    expert_ffn: int,
    vocabulary: int,
    *,
    head_dim: int = 128,
    shared_ffn: int = 0,
    dense_layers: int = 0,
    ffn: int = 0,
) -> Architecture:
    """Return a mixture of gated experts."""
    return Architecture(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        ffn=ffn,
        gated=True,
        vocabulary=vocabulary,
        experts=experts,
        active_experts=active,
        expert_ffn=expert_ffn,
        shared_ffn=shared_ffn,
        dense_layers=dense_layers,
    )


ARCHITECTURES = {
    # Brown et al., NeurIPS 2020, table 2.1
    "gpt3-125m": _gpt(12, 768, 12),
    "gpt3-350m": _gpt(24, 1024, 16),
    "gpt3-760m": _gpt(24, 1536, 16),
    "gpt3-1.3b": _gpt(24, 2048, 24),
    "gpt3-2.7b": _gpt(32, 2560, 32),
    "gpt3-6.7b": _gpt(32, 4096, 32),
    "gpt3-13b": _gpt(40, 5140, 40),
    "gpt3-175b": _gpt(96, 12288, 96),
    "gpt3": _gpt(96, 12288, 96),
    # Narayanan et al., SC'21, table 1
    "megatron-1.7b": _gpt(24, 2304, 24),
    "megatron-3.6b": _gpt(30, 3072, 32),
    "megatron-7.5b": _gpt(36, 4096, 32),
    "megatron-18.4b": _gpt(40, 6144, 48),
    "megatron-39.1b": _gpt(48, 8192, 64),
    "megatron-76.1b": _gpt(60, 10240, 80),
    "megatron-145.6b": _gpt(80, 12288, 96),
    "megatron-310.1b": _gpt(96, 16384, 128),
    "megatron-529.6b": _gpt(105, 20480, 128),
    "megatron-1008b": _gpt(128, 25600, 160),
    # MosaicML, llm-foundry's training recipes
    "mpt-125m": _gpt(12, 768, 12, 50_368),
    "mpt-350m": _gpt(24, 1024, 16, 50_368),
    "mpt-760m": _gpt(24, 1536, 12, 50_368),
    "mpt-1b": _gpt(24, 2048, 16, 50_368),
    "mpt-3b": _gpt(32, 2560, 20, 50_368),
    "mpt-7b": _gpt(32, 4096, 32, 50_368),
    "mpt-13b": _gpt(40, 5120, 40, 50_368),
    "mpt-30b": _gpt(48, 7168, 56, 50_368),
    "mpt-70b": _gpt(80, 8192, 64, 50_368),
    # Touvron et al. 2023; Grattafiori et al. 2024, table 3
    "llama2-7b": _gated(32, 4096, 32, 32, 11_008, 32_000),
    "llama2-13b": _gated(40, 5120, 40, 40, 13_824, 32_000),
    "llama2-70b": _gated(80, 8192, 64, 8, 28_672, 32_000),
    "llama3-1b": _gated(16, 2048, 32, 8, 8192, 128_256, 64),
    "llama3-3b": _gated(28, 3072, 24, 8, 8192, 128_256),
    "llama3-8b": _gated(32, 4096, 32, 8, 14_336, 128_256),
    "llama3-70b": _gated(80, 8192, 64, 8, 28_672, 128_256),
    "llama3-405b": _gated(126, 16_384, 128, 8, 53_248, 128_256),
    "llama4-scout": _mixture(48, 5120, 40, 8, 16, 1, 8192, 202_048, shared_ffn=8192),
    "llama4-maverick": _mixture(48, 5120, 40, 8, 128, 1, 8192, 202_048, shared_ffn=8192, dense_layers=24, ffn=16_384),
    # Jiang et al. 2023, 2024
    "mistral-7b": _gated(32, 4096, 32, 8, 14_336, 32_000),
    "mixtral-8x7b": _mixture(32, 4096, 32, 8, 8, 2, 14_336, 32_000),
    "mixtral-8x22b": _mixture(56, 6144, 48, 8, 8, 2, 16_384, 32_768),
    # Qwen3 technical report, 2025, tables 1 and 2
    "qwen3-0.6b": _gated(28, 1024, 16, 8, 3072, 151_936),
    "qwen3-1.7b": _gated(28, 2048, 16, 8, 6144, 151_936),
    "qwen3-4b": _gated(36, 2560, 32, 8, 9728, 151_936),
    "qwen3-8b": _gated(36, 4096, 32, 8, 12_288, 151_936),
    "qwen3-14b": _gated(40, 5120, 40, 8, 17_408, 151_936),
    "qwen3-32b": _gated(64, 5120, 64, 8, 25_600, 151_936),
    "qwen3-30b-a3b": _mixture(48, 2048, 32, 4, 128, 8, 768, 151_936),
    "qwen3-235b-a22b": _mixture(94, 4096, 64, 4, 128, 8, 1536, 151_936),
    # DeepSeek-AI 2024 (latent attention counted as heads of 160); Kimi Team 2025
    "deepseek-v2-lite": _mixture(
        27, 2048, 16, 16, 64, 6, 1408, 102_400, head_dim=160, shared_ffn=2816, dense_layers=1, ffn=10_944
    ),
    "deepseek-v2": _mixture(
        60, 5120, 128, 128, 160, 6, 1536, 102_400, head_dim=160, shared_ffn=3072, dense_layers=1, ffn=12_288
    ),
    "deepseek-v3": _mixture(
        61, 7168, 128, 128, 256, 8, 2048, 129_280, head_dim=160, shared_ffn=2048, dense_layers=3, ffn=18_432
    ),
    "kimi-k2": _mixture(
        61, 7168, 64, 64, 384, 8, 2048, 163_840, head_dim=160, shared_ffn=2048, dense_layers=1, ffn=18_432
    ),
    # OpenAI, gpt-oss model card, 2025
    "gpt-oss-20b": _mixture(24, 2880, 64, 8, 32, 4, 2880, 201_088, head_dim=64),
    "gpt-oss-120b": _mixture(36, 2880, 64, 8, 128, 4, 2880, 201_088, head_dim=64),
    # NVIDIA, Nemotron reports, 2024-2026; hybrids of attention, experts and state-space mixers
    "nemotron4-15b": Architecture(
        layers=32, hidden=6144, heads=48, kv_heads=8, ffn=24_576, vocabulary=256_000, head_dim=128
    ),
    "nemotron4-340b": Architecture(
        layers=96, hidden=18_432, heads=96, kv_heads=8, ffn=73_728, vocabulary=256_000, head_dim=192
    ),
    "nemotron-3-nano": Architecture(
        layers=52,
        hidden=2688,
        heads=32,
        kv_heads=2,
        head_dim=128,
        vocabulary=131_072,
        experts=128,
        active_experts=6,
        expert_ffn=1856,
        shared_ffn=3712,
        attention_share=0.12,
        expert_share=0.44,
        recurrent_share=0.44,
    ),
    "nemotron-3-super": Architecture(
        layers=88,
        hidden=4096,
        heads=32,
        kv_heads=2,
        head_dim=128,
        vocabulary=131_072,
        experts=512,
        active_experts=22,
        expert_ffn=2688,
        shared_ffn=5376,
        expert_hidden=1024,
        attention_share=0.12,
        expert_share=0.44,
        recurrent_share=0.44,
    ),
}
"""Architectures by the names under which they are published."""
