"""The training of published models can be said in full, and what was said means what their papers tell."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from headwater.core.config import validate
from headwater.core.errors import HeadwaterError
from headwater.training.config import Stages, Training
from headwater.training.ramp import first_row, size_at
from headwater.training.schedule import rate_at

# What a recipe says, by model; how many steps is told where the paper does, else such that the tokens come out.
PUBLISHED: dict[str, dict[str, Any]] = yaml.safe_load("""
Transformer base: # Vaswani et al. 2017 §5: batches of 25 k tokens; the last 5 checkpoints, 10 minutes of 0.4 s steps apart
  steps: 100_000
  batch_size: 1000
  optimizer: { kind: adam, lr: 6.9877e-4, betas: [0.9, 0.98], eps: 1.0e-9 } # (512 · 4000)^−1/2
  schedule: { kind: inverse_sqrt, warmup: 4000 }
  clip: null
  average: { kind: last, count: 5, every: 1500 }
BERT: # Devlin et al. 2019 §A.2
  steps: 1_000_000
  batch_size: 256
  optimizer: { kind: adamw, lr: 1.0e-4, betas: [0.9, 0.999], eps: 1.0e-6, weight_decay: 0.01 }
  schedule: { kind: linear, warmup: 10_000 }
RoBERTa large: # Liu et al. 2019, table 9
  steps: 500_000
  batch_size: 8192
  optimizer: { kind: adamw, lr: 4.0e-4, betas: [0.9, 0.98], eps: 1.0e-6, weight_decay: 0.01 }
  schedule: { kind: linear, warmup: 30_000 }
  clip: null
T5: # Raffel et al. 2020 §3.1.2: 2^19 steps of 2^16 tokens
  steps: 524_288
  batch_size: 128
  optimizer: { kind: adafactor, lr: 0.01 }
  schedule: { kind: inverse_sqrt, warmup: 0, timescale: 10_000 }
  clip: null
GPT-3 175B: # Brown et al. 2020 §B: from 32 k to 3.2 M tokens over the first 4–12 G
  steps: 98_360
  batch_size: { kind: ramp, start: 16, end: 1562, over: 4_000_000_000, unit: tokens }
  optimizer: { kind: adamw, lr: 0.6e-4, betas: [0.9, 0.95], weight_decay: 0.1 }
  schedule: { kind: cosine, warmup: 375_000_000, horizon: 260_000_000_000, unit: tokens, floor: 0.1 }
GPT-NeoX-20B: # Black et al. 2022 §B
  steps: 150_000
  batch_size: 1538
  optimizer: { kind: adamw, lr: 0.97e-4, betas: [0.9, 0.95], weight_decay: 0.01 }
  schedule: { kind: cosine, warmup: 1500, floor: 0.1 }
OPT-175B: # Zhang et al. 2022 §2.2
  steps: 150_000
  batch_size: 976
  optimizer: { kind: adamw, lr: 1.2e-4, betas: [0.9, 0.95], weight_decay: 0.1 }
  schedule: { kind: linear, warmup: 2000, floor: 0.1 }
BLOOM-176B: # BigScience 2022, table 3
  steps: 95_000
  batch_size: { kind: ramp, start: 192, end: 2048, over: 9_765_625, unit: rows, multiple: 16 }
  optimizer: { kind: adamw, lr: 6.0e-5, betas: [0.9, 0.95], weight_decay: 0.1 }
  schedule: { kind: cosine, warmup: 375_000_000, horizon: 410_000_000_000, unit: tokens, floor: 0.1 }
PaLM 540B: # Chowdhery et al. 2022 §5
  steps: 255_000
  batch_size: { kind: stages, sizes: [512, 1024, 2048], at: [50_000, 115_000] }
  optimizer: { kind: adafactor, lr: 0.01, factored: false, momentum: 0.9, weight_decay: 1, decay_power: 2 }
  schedule: { kind: inverse_sqrt, warmup: 0, timescale: 10_000 }
GLM-130B: # Zeng et al. 2022 §2.3: warm-up over 0.5 % of the samples, batches that grow over 2.5 %
  steps: 48_250
  batch_size: { kind: ramp, start: 192, end: 4224, over: 4_880_000, unit: rows }
  optimizer: { kind: adamw, lr: 8.0e-5, betas: [0.9, 0.95], weight_decay: 0.1 }
  schedule: { kind: cosine, warmup: 2_000_000_000, horizon: 400_000_000_000, unit: tokens, floor: 0.1 }
Llama 65B: # Touvron et al. 2023 §2.3
  steps: 334_000
  batch_size: 2048
  optimizer: { kind: adamw, lr: 1.5e-4, betas: [0.9, 0.95], weight_decay: 0.1 }
  schedule: { kind: cosine, warmup: 2000, floor: 0.1 }
DeepSeek-MoE-16B: # Dai et al. 2024 §5.1: × 0.316 after 80 % and after 90 %
  steps: 106_449
  batch_size: 4608
  optimizer: { kind: adamw, lr: 4.2e-4, betas: [0.9, 0.95], weight_decay: 0.1 }
  schedule: { kind: step, warmup: 2000, at: [85_159, 95_804], factor: 0.316 }
""")
# Tokens of a row, tokens of the whole run, and its last rate, as published or as the paper's formula gives it.
FIGURES = {
    "Transformer base": (25, 2.5e9, 512**-0.5 * 100_000**-0.5),
    "BERT": (512, 131e9, 0.0),
    "RoBERTa large": (512, 2.1e12, 0.0),
    "T5": (512, 2**35, 2**-9.5),
    "GPT-3 175B": (2048, 300e9, 0.6e-5),
    "GPT-NeoX-20B": (2048, 473e9, 0.97e-5),
    "OPT-175B": (2048, 300e9, 1.2e-5),
    "BLOOM-176B": (2048, 366e9, 7.5e-6),  # it ended before its horizon
    "PaLM 540B": (2048, 780e9, 255_000**-0.5),
    "GLM-130B": (2048, 400e9, 8e-6),
    "Llama 65B": (2048, 1.4e12, 1.5e-5),
    "DeepSeek-MoE-16B": (4096, 2.0e12, 4.2e-5),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_run_reads_the_tokens_and_ends_at_the_rate_of_its_paper(name: str) -> None:
    training = validate(Training, PUBLISHED[name], where=name)
    row_tokens, tokens, rate = FIGURES[name]
    read = first_row(training.batch_size, training.steps, row_tokens) * row_tokens
    assert read == pytest.approx(tokens, rel=0.02)
    last = read - 1 if training.schedule.unit == "tokens" else training.steps - 1
    assert training.optimizer.lr * rate_at(training.schedule, last, training.steps) == pytest.approx(rate, rel=0.01)
    assert validate(Training, training.model_dump(mode="json"), where=name) == training


def test_llama_3_grows_its_rows_and_their_length() -> None:
    """Llama team 2024 §3.4.1: 4 M tokens in rows of 4,096; 8 M in rows of 8,192 after 252 M tokens; 16 M after 2.87 T."""
    rows, length = Stages(sizes=(1024, 2048), at=(342_170,)), Stages(sizes=(4096, 8192), at=(60,))
    first = 60 * size_at(rows, 0) * size_at(length, 0)
    assert first == pytest.approx(252e6, rel=0.01)
    second = (342_170 - 60) * size_at(rows, 60) * size_at(length, 60)
    assert first + second == pytest.approx(2.87e12, rel=0.001)
    assert size_at(rows, 342_170) * size_at(length, 342_170) == 2**24


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ({"optimizer": {"kind": "adamw", "lr": 0}}, "recipe: optimizer.lr: input should be greater than 0 (given: 0)"),
        ({"optimizer": {"kind": "adamw", "lr": -1e-3}}, "recipe: optimizer.lr: input should be greater than 0 (given: -0.001)"),
        (
            {"optimizer": {"kind": "adam", "weight_decay": 0.1}},
            "recipe: unknown key 'optimizer.weight_decay'; known here: betas, decay, eps, kind,",
        ),
        ({"optimizer": {"kind": "sdg"}}, "recipe: optimizer.kind: there is no 'sdg'; did you mean 'sgd'?"),
        ({"optimizer": {"kind": "adamw", "betas": [0.9, 1.0]}}, "recipe: optimizer.betas[1]: input should be less than 1 (given: 1.0)"),
        ({"optimizer": {"kind": "sgd", "nesterov": True}}, "recipe: optimizer: nesterov needs a momentum above 0"),
        ({"schedule": {"kind": "linear", "warmup": 10}}, "recipe: the warm-up (10 steps) is not shorter than the run (10 steps)"),
        ({"schedule": {"warmup": 1, "floor": 1.5}}, "recipe: schedule.floor: input should be less than or equal to 1 (given: 1.5)"),
        ({"batch_size": {"kind": "ramp", "start": 8, "end": 4, "over": 2}}, "recipe: batch_size: the ramp ends (4) below its start (8)"),
        ({"batch_size": {"start": 8}}, "recipe: 'batch_size' has no 'kind'; say which of its kinds is meant, as in {kind: …}"),
        ({"batch_size": 0}, "recipe: batch_size: input should be greater than 0 (given: 0)"),
        ({"average": {"kind": "ema", "decay": 2}}, "recipe: average.decay: input should be less than 1 (given: 2)"),
        ({"stopping": {"patience": 0}}, "recipe: stopping.patience: input should be greater than 0 (given: 0)"),
        ({"steps": 0}, "recipe: steps: input should be greater than 0 (given: 0)"),
    ],
)
def test_a_mistake_is_one_sentence(said: dict[str, Any], sentence: str) -> None:
    with pytest.raises(HeadwaterError) as caught:
        validate(Training, {"steps": 10, "schedule": {"warmup": 1}, **said}, where="recipe")
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)
