"""headwater/corpus/classify/embedding.py: one step is torch's step, and what it learns can be told apart."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from headwater.corpus.classify.embedding import _epoch, fit, logits
from headwater.corpus.classify.features import Rows


def rows_of(*rows: list[int]) -> Rows:
    starts = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    values = np.concatenate([np.full(len(row), 1 / len(row), np.float32) for row in rows])
    return Rows(starts, np.concatenate(rows).astype(np.int32), values)


def test_each_step_is_a_step_of_gradient_descent() -> None:
    draw = np.random.default_rng(5)
    embeddings, output = draw.normal(size=(7, 4)).astype(np.float32), draw.normal(size=(4, 3)).astype(np.float32)
    rows, labels, shares = rows_of([0, 2, 3], [1, 2], [6]), np.asarray([2, 0, 1]), np.asarray([1.0, 0.5, 1.5])
    e, o = (torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in (embeddings, output))
    for step, row in enumerate([2, 0, 1]):
        inside = slice(rows.starts[row], rows.starts[row + 1])
        hidden = (torch.tensor(rows.values[inside], dtype=torch.float64)[:, None] * e[torch.tensor(rows.buckets[inside]).long()]).sum(0)
        loss = torch.nn.functional.cross_entropy((hidden @ o)[None], torch.tensor([labels[row]]))
        for parameter, gradient in zip((e, o), torch.autograd.grad(loss, (e, o)), strict=True):
            with torch.no_grad():
                parameter -= (0.8 + (0.2 - 0.8) * step / 3) * shares[row] * gradient
    _epoch(rows.starts, rows.buckets, rows.values, labels, shares, np.asarray([2, 0, 1]), embeddings, output, 0.8, 0.2)
    assert embeddings == pytest.approx(e.detach().numpy(), abs=1e-5)
    assert output == pytest.approx(o.detach().numpy(), abs=1e-5)


def test_it_learns_what_is_planted_and_the_seed_decides() -> None:
    draw = np.random.default_rng(1)
    labels = draw.integers(0, 2, 300)
    rows = rows_of(*[[*draw.integers(0, 20, 10), 20 + label] for label in labels])
    found = fit(rows, labels, np.ones(300), 2, 32, 8, 2.0, 10, 1)
    assert (logits(rows, *found).argmax(axis=1) == labels).mean() > 0.98
    again = fit(rows, labels, np.ones(300), 2, 32, 8, 2.0, 10, 1)
    assert all((a == b).all() for a, b in zip(found, again, strict=True))
    assert not (fit(rows, labels, np.ones(300), 2, 32, 8, 2.0, 10, 2)[0] == found[0]).all()
