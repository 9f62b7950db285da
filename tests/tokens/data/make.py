"""Make the fixtures beside this file: small SentencePiece models and tiktoken ranks, and what those libraries read with them.

Neither library is a dependency of Headwater. Made once with

    python -m venv /tmp/peers && /tmp/peers/bin/pip install sentencepiece==0.2.3 tiktoken==0.14.0
    /tmp/peers/bin/python tests/tokens/data/make.py

from the LICENSE, both READMEs as they were, and the texts below. `expected.json` has `{fixture: [[text, ids], …]}`.
"""

from __future__ import annotations

import base64
import json
import os
import random
from pathlib import Path

import sentencepiece
import tiktoken
from tiktoken._educational import bpe_train

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
TEXTS = [(ROOT / name).read_text(encoding="utf-8") for name in ("LICENSE", "README.md", "README.zh-CN.md")]
ODD = [
    *[
        "",
        " ",
        "  a",
        "a  ",
        "a   b",
        " a b ",
        "\n",
        "a\nb\n\n c",
        "\t",
        "\r\n",
        "<s>",
        "</s>",
        "<unk>",
        "<pad>",
        "a</s>b",
        "▁",
        "▁▁x",
        "Ａ①ﬁ",
        "Ä",
    ],
    *[
        "e\u0301",
        "\0",
        "x\0y",
        "龘",
        "👩‍👩‍👧",
        "שלום",
        "12345 678",
        "don't DON'T you'LL",
        "\u3000 a",
        "\u00a0",
        "\u2028",
        "\ufeff",
        "\ufdd2",
    ],
    *["\U0010ffff", "    if x:\n        y()\n", "foo<sep>bar", "<sep>", "aaaaaaaa", "the the  the", "HTTPServer", "ǅ", "naïve Straße", "…"],
    *["a/b//c\n/", "<0x41>"],
]
RULES = "\n".join(["FF21\t41", "2460\t31", "FB01\t66 69", "3000\t20", "9\t20", "A\t20", "41 308\tC4"]) + "\n"  # a normalization of our own

COMMON = {"vocab_size": 1000, "num_threads": 1, "minloglevel": 2, "max_sentence_length": 1_000_000}
MODELS = {
    "unigram": {"model_type": "unigram", "character_coverage": 0.98, "pad_id": 3, "normalization_rule_tsv": "rules.tsv"},
    "unigram_bytes": {"model_type": "unigram", "character_coverage": 0.98, "byte_fallback": True, "normalization_rule_name": "identity",
                      "add_dummy_prefix": False, "remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True,
                      "user_defined_symbols": ["<sep>", "\n"]},
    "bpe": {"model_type": "bpe", "character_coverage": 0.98, "normalization_rule_tsv": "rules.tsv"},
    "bpe_bytes": {"model_type": "bpe", "character_coverage": 0.98, "byte_fallback": True, "split_digits": True,
                  "normalization_rule_name": "identity", "remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True},
}  # fmt: skip


def texts() -> list[str]:
    """Stretches of the texts and odd strings, alone and put together."""
    draw = random.Random(5)
    joined = "".join(TEXTS)
    cuts = [joined[place : place + draw.randrange(1, 120)] for place in (draw.randrange(len(joined)) for _ in range(120))]
    mixed = ["".join(draw.choice([*ODD, "word", " ", "天下"]) for _ in range(draw.randrange(2, 8))) for _ in range(120)]
    return [*ODD, *cuts, *mixed]


def main() -> None:
    expected = {}
    os.chdir(HERE)  # a model keeps the paths that it was trained with: let them be bare names
    (HERE / "rules.tsv").write_text(RULES)
    for name, options in MODELS.items():
        prefix = HERE / name
        lines = [line for text in TEXTS for line in text.split("\n") if line]
        sentencepiece.SentencePieceTrainer.train(sentence_iterator=iter(lines), model_prefix=name, **COMMON, **options)
        prefix.with_suffix(".vocab").unlink()
        model = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
        expected[name] = [[text, model.encode(text)] for text in texts()]
    ranks = bpe_train("".join(TEXTS)[:60_000], 600, r" ?\p{L}+| ?\p{N}{1,3}| ?[^\s\p{L}\p{N}]+|\s+", visualise=None)

    lines = [f"{base64.b64encode(token).decode()} {rank}" for token, rank in sorted(ranks.items(), key=lambda item: item[1])]
    (HERE / "ranks.tiktoken").write_text("\n".join(lines) + "\n")
    from tiktoken_ext import openai_public

    openai_public.load_tiktoken_bpe = openai_public.data_gym_to_mergeable_bpe_ranks = lambda *_, **__: {}  # only the patterns are wanted
    for name, encoding in (("gpt2", "gpt2"), ("cl100k", "cl100k_base"), ("o200k", "o200k_base")):
        pattern = openai_public.ENCODING_CONSTRUCTORS[encoding]()["pat_str"]
        model = tiktoken.Encoding("fixture", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
        expected[name] = [[text, model.encode(text)] for text in texts()]
    (HERE / "rules.tsv").unlink()
    (HERE / "expected.json").write_text(json.dumps(expected, ensure_ascii=True, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
