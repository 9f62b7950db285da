from __future__ import annotations

import torch

from headwater.model.notes import Notes


def test_losses_add_up_and_can_be_learned_from() -> None:
    weights = [torch.tensor(value, requires_grad=True) for value in (2.0, 3.0)]
    notes = Notes()
    assert notes.loss == 0.0
    notes.losses += [weights[0] ** 2, 5 * weights[1]]
    assert isinstance(notes.loss, torch.Tensor)
    assert notes.loss.item() == 19.0
    notes.loss.backward()
    assert [weight.grad for weight in weights] == [4.0, 5.0]


def test_passes_do_not_share_their_notes() -> None:
    first = Notes()
    first.losses.append(torch.tensor(1.0))
    first.loads["0"] = torch.ones(2)
    first.figures["dropped"] = 0.5
    assert Notes() == Notes([], {}, {})
