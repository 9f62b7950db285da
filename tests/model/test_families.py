"""Families: what each can say, that nothing is forgotten on the way to a config.json and back, and published sizes.

tests/oracles compares each with transformers.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from headwater.core.errors import HeadwaterError
from headwater.model.directory import load, save
from headwater.model.families import FAMILIES, family_named, family_of, family_reading
from headwater.model.families.family import Stored, essence, restore, store
from headwater.model.init import kept_shapes, shapes
from headwater.tokens.tokenizer import Tokenizer
from tests.model.conftest import GPT2_LIKE, tiny

GPT2 = {**GPT2_LIKE, "kv_heads": None}
LAYER = {"kind": "layer"}
EXPERTS = {"kind": "moe", "experts": 3, "expert": {"width": 20}}
NEIGHBOURS = {"kind": "rope", "share": 0.5, "pairs": "neighbours"}
OF_EACH: dict[str, dict[str, Any]] = {
    "gpt2": GPT2,
    "llama": {},
    "mistral": {"pattern": [{"kind": "window", "size": 5}]},
    "mixtral": {"feed_forward": EXPERTS},
    "qwen2": {"biases": {"queries": True}},
    "qwen3": {"qk_norm": True, "head_width": 16},
    "qwen3_moe": {"qk_norm": True, "feed_forward": {**EXPERTS, "every": 2}},
    "openai-gpt": {**GPT2, "norm": {**LAYER, "place": "post"}},
    "opt": {**GPT2, "feed_forward": {"kind": "relu"}, "embedding": {"width": 12}},
    "bloom": {**GPT2, "positions": {"kind": "alibi"}, "embedding": {"norm": True}},
    "gpt_neox": {**GPT2, "block": "parallel-two-norms", "positions": {"kind": "rope", "share": 0.25}},
    "gptj": {**GPT2, "block": "parallel", "positions": NEIGHBOURS, "biases": {"feed_forward": True, "norms": True, "head": True}},
    "headwater": {"norm": LAYER},
}


@pytest.mark.parametrize("name", OF_EACH)
@pytest.mark.parametrize("tied", [True, False])
def test_the_first_family_that_says_the_same_is_taken(name: str, tied: bool) -> None:
    config = tiny(**OF_EACH[name], tied=tied)
    family = family_of(config)
    assert family.name == name
    assert family_named(name) is family
    said = family.config(config)
    assert family_reading(said["model_type"]) is family
    assert essence(family.parse(said)) == essence(config)


@pytest.mark.parametrize("name", OF_EACH)
@pytest.mark.parametrize("tied", [True, False])
def test_restore_undoes_store(name: str, tied: bool) -> None:
    config = tiny(**OF_EACH[name], tied=tied)
    ours = {key: tensor.detach() for key, tensor in config.build(0).state_dict().items()}
    tensors = family_of(config).tensors(config)
    parts = [part for entry in tensors for part in entry.parts]
    assert set(parts) == set(ours)
    theirs = store(tensors, ours)
    assert len(theirs) == len(tensors), "two tensors of one name"
    assert {entry.name: entry.shape(kept_shapes(config)) for entry in tensors} == {key: tuple(value.shape) for key, value in theirs.items()}
    back = restore(tensors, theirs, kept_shapes(config))
    assert all(torch.equal(tensor, back[key]) for key, tensor in ours.items())


@pytest.mark.parametrize(
    ("changes", "family", "reason"),
    [
        ({"norm": LAYER}, "llama", "llama has norm.kind rms, not layer"),
        ({"biases": {"queries": True}}, "llama", "llama has biases.out True, not False"),
        (
            {"positions": {"kind": "rope", "scaling": {"kind": "ntk", "factor": 2.0}}},
            "llama",
            "llama has positions.scaling.kind none, not ntk",
        ),
        ({"head": {"kind": "lm", "softcap": 30.0}}, "llama", "llama has head.softcap none, not 30.0"),
        ({"head": {"kind": "scalar"}}, "llama", "llama has head.kind lm, not scalar"),
        ({"feed_forward": {"kind": "none"}}, "llama", "llama has feed_forward.kind swiglu, not none"),
        ({"pattern": [{"kind": "window", "size": 5}]}, "llama", "llama has pattern all, all, not window 5, window 5"),
        ({"pattern": [{"kind": "window", "size": 5}, {"kind": "all"}]}, "mistral", "pattern window 5, window 5, not window 5, all"),
        ({"feed_forward": {**EXPERTS, "shared": 1}}, "mixtral", "mixtral has feed_forward.shared 0, not 1"),
        ({"feed_forward": {**EXPERTS, "scores": "sigmoid"}}, "mixtral", "mixtral has feed_forward.scores softmax, not sigmoid"),
        (GPT2_LIKE, "gpt2", "gpt2 has kv_heads 4, not 2"),
        ({**GPT2, "biases": False}, "gpt2", "gpt2 has biases.queries True, not False"),
        ({**GPT2, "head_width": 5}, "opt", "opt has head_width 8, not 5"),
        ({**GPT2, "norm": {**LAYER, "eps": 1e-6}, "feed_forward": {"kind": "relu"}}, "opt", "opt has norm.eps 1e-05, not 1e-06"),
        ({"heads": 2, "kv_heads": 2, "width": 10, "head_width": 4}, "gpt_neox", "gpt_neox cannot have it: RoPE turns pairs of features"),
    ],
)
def test_what_a_family_cannot_say_is_named(changes: dict[str, Any], family: str, reason: str) -> None:
    found = family_named(family)
    assert found is not None
    mismatch = found.mismatch(tiny(**changes))
    assert mismatch is not None
    assert reason in mismatch


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"dropout": 0.1, "init": {"std": 0.5}}, "llama"),  # chance
        ({"biases": {"norms": True}}, "llama"),  # RMSNorm has no bias
        ({"feed_forward": {"kind": "swiglu", "approximate": "none"}}, "llama"),  # no GELU in it
        ({"pattern": [{"kind": "all"}, {"kind": "all"}]}, "llama"),
        ({"head_width": 8, "attention_scale": 8**-0.5}, "llama"),
        ({"feed_forward": {**EXPERTS, "balance_loss": 0.5, "dense": {"kind": "gelu"}}}, "mixtral"),  # no layer is dense
        ({"feed_forward": {**EXPERTS, "every": 3}}, "headwater"),  # no layer has experts, which nobody says like that
    ],
)
def test_what_decides_no_logit_decides_no_family(changes: dict[str, Any], name: str) -> None:
    assert family_of(tiny(**changes)).name == name


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"model_type": "gpt2", "scale_attn_by_inverse_layer_idx": True}, "scales its attention layer by layer"),
        ({"model_type": "llama", "rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}, "scales RoPE by 'dynamic'"),
        (
            {"model_type": "llama", "rope_parameters": {"rope_type": "yarn", "factor": 2.0, "mscale": 1.0}},
            "by 'yarn' with a mscale of its own",
        ),
        ({"model_type": "llama", "hidden_act": "mish"}, "has the activation 'mish'"),
        ({"model_type": "opt", "layer_norm_elementwise_affine": False}, "norms without weights"),
        ({"model_type": "bloom", "apply_residual_connection_post_layernorm": True}, "adds its branches to the normed stream"),
        ({"model_type": "qwen3_moe", "mlp_only_layers": [1]}, "has its dense layers at [1]"),
        ({"model_type": "qwen3_moe", "use_sliding_window": True}, "has windows beside its experts"),
    ],
)
def test_what_we_have_not_is_refused(said: dict[str, Any], sentence: str) -> None:
    family = family_reading(said["model_type"])
    assert family is not None
    with pytest.raises(HeadwaterError) as caught:
        family.parse({**family.config(tiny(**OF_EACH[family.name])), **said})
    assert sentence in str(caught.value)


def test_empty_rows_and_heads_lie_where_the_checkpoint_has_them() -> None:
    ours = {"q": torch.tensor([[1.0], [2.0], [3.0], [4.0]]), "k": torch.tensor([[5.0], [6.0], [7.0], [8.0]])}
    assert store([Stored("a", ("q", "k"), heads=2)], ours)["a"].flatten().tolist() == [1, 2, 5, 6, 3, 4, 7, 8]
    assert store([Stored("a", ("q",), rows_before=2)], ours)["a"].flatten().tolist() == [0, 0, 1, 2, 3, 4]
    assert store([Stored("a", ("q", "k"), transposed=True)], ours)["a"].tolist() == [[1, 2, 3, 4, 5, 6, 7, 8]]


def llama_like(model_type: str, layers: int, width: int, heads: int, keys: int, inner: int, tokens: int, **more: Any) -> dict[str, Any]:
    return {"model_type": model_type, "num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads, "vocab_size": tokens,
            "num_key_value_heads": keys, "intermediate_size": inner, "rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
            **more}  # fmt: skip


def gpt_like(model_type: str, layers: int, width: int, heads: int, context: int, vocabulary: int, **more: Any) -> dict[str, Any]:
    return {"model_type": model_type, "n_layer": layers, "n_embd": width, "n_head": heads, "n_positions": context, "vocab_size": vocabulary,
            "layer_norm_epsilon": 1e-5, **more}  # fmt: skip


def opt_like(layers: int, width: int, heads: int, **more: Any) -> dict[str, Any]:
    return {"model_type": "opt", "num_hidden_layers": layers, "hidden_size": width, "num_attention_heads": heads, "ffn_dim": 4 * width,
            "vocab_size": 50272, "max_position_embeddings": 2048, **more}  # fmt: skip


PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "openai-community/openai-gpt": (gpt_like("openai-gpt", 12, 768, 12, 512, 40478), 116_534_784),
    "openai-community/gpt2": (gpt_like("gpt2", 12, 768, 12, 1024, 50257), 124_439_808),
    "openai-community/gpt2-xl": (gpt_like("gpt2", 48, 1600, 25, 1024, 50257), 1_557_611_200),
    "EleutherAI/gpt-j-6b": (gpt_like("gptj", 28, 4096, 16, 2048, 50400, rotary_dim=64), 6_050_882_784),
    "EleutherAI/gpt-neox-20b": (
        {"model_type": "gpt_neox", "num_hidden_layers": 44, "hidden_size": 6144, "num_attention_heads": 64, "intermediate_size": 24576,
         "vocab_size": 50432, "max_position_embeddings": 2048, "layer_norm_eps": 1e-5, "hidden_act": "gelu_fast", "rotary_pct": 0.25},
        20_554_567_680),
    # OPT's files have two rows of positions more, which no token ever reads.
    "facebook/opt-125m": (opt_like(12, 768, 12), 125_239_296 - 2 * 768),
    "facebook/opt-350m": (opt_like(24, 1024, 16, do_layer_norm_before=False, word_embed_proj_dim=512), 331_196_416 - 2 * 1024),
    "bigscience/bloom-560m": (
        {"model_type": "bloom", "n_layer": 24, "n_embed": 1024, "num_attention_heads": 16, "vocab_size": 250880,
         "layer_norm_epsilon": 1e-5},
        559_214_592),
    "meta-llama/Llama-2-7b-hf": (llama_like("llama", 32, 4096, 32, 32, 11008, 32000), 6_738_415_616),
    "meta-llama/Llama-3.1-8B": (
        llama_like("llama", 32, 4096, 32, 8, 14336, 128256, rope_theta=500000.0, rope_scaling={
            "factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
            "rope_type": "llama3"}),
        8_030_261_248),
    "mistralai/Mistral-7B-v0.1": (llama_like("mistral", 32, 4096, 32, 8, 14336, 32000, sliding_window=4096), 7_241_732_096),
    "mistralai/Mixtral-8x7B-v0.1": (
        llama_like("mixtral", 32, 4096, 32, 8, 14336, 32000, num_local_experts=8, num_experts_per_tok=2, sliding_window=None),
        46_702_792_704),
    "Qwen/Qwen2.5-0.5B": (llama_like("qwen2", 24, 896, 14, 2, 4864, 151936, tie_word_embeddings=True), 494_032_768),
    "Qwen/Qwen3-0.6B": (llama_like("qwen3", 28, 1024, 16, 8, 3072, 151936, head_dim=128, tie_word_embeddings=True), 596_049_920),
    "Qwen/Qwen3-8B": (llama_like("qwen3", 36, 4096, 32, 8, 12288, 151936, head_dim=128), 8_190_735_360),
    "Qwen/Qwen3-30B-A3B": (
        llama_like("qwen3_moe", 48, 2048, 32, 4, 6144, 151936, head_dim=128, num_experts=128, num_experts_per_tok=8,
                   moe_intermediate_size=768, norm_topk_prob=True), 30_532_122_624),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_config_has_the_published_size(name: str) -> None:
    said, count = PUBLISHED[name]
    family = family_reading(said["model_type"])
    assert family is not None
    config = family.parse(said)
    assert config.parameter_count() == count
    assert family.mismatch(config) is None
    assert {part for entry in family.tensors(config) for part in entry.parts} == set(shapes(config))


@pytest.mark.oracle
def test_transformers_opens_the_tokenizer_and_its_template(tmp_path: Path, transformers: Any, tokenizer: Tokenizer) -> None:
    from headwater.tokens.chat import Message, render
    from headwater.tokens.template import TEMPLATE

    config = tiny()
    save(tmp_path, config.build(0), config, tokenizer, template=TEMPLATE)
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path)
    text = "A stream 源头 rises.\n\n 🙂"
    assert theirs.encode(text) == tokenizer.encode(text)
    assert theirs.decode(tokenizer.encode(text)) == text
    assert (theirs.eos_token_id, theirs.pad_token_id) == (tokenizer.special("turn"), tokenizer.special("pad"))
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}]
    ours = render(TEMPLATE, [Message(**message) for message in messages], generation_prompt=True)
    assert theirs.apply_chat_template(messages, tokenize=False, add_generation_prompt=True) == ours
    generation = transformers.GenerationConfig.from_pretrained(tmp_path)
    assert generation.eos_token_id == [tokenizer.special("end"), tokenizer.special("turn")]


def test_a_config_of_no_family_comes_back_the_same(tmp_path: Path, tokenizer: Tokenizer) -> None:
    config = tiny(positions={"kind": "learned"})
    assert family_of(config) is FAMILIES[-1]
    network = config.build(0)
    save(tmp_path, network, config, tokenizer)
    x = torch.arange(10)[None]
    assert torch.equal(load(tmp_path).network(x), network(x))
