from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from utad.objectives.reconstruction import expert_losses, impression_loss


def images(seed: int, count: int = 2) -> torch.Tensor:
    return torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def arguments() -> dict[str, torch.Tensor]:
    """The six tensors of Eq. 7, each of which could receive a gradient."""
    names = ("reconstruction", "image", "naive_impression", "impression")
    tensors = {name: images(seed) for seed, name in enumerate(names)}
    tensors |= {"restored_detail": images(4)[:, :, 0, 0], "detail": images(5)[:, :, 0, 0]}
    return {name: tensor.clone().requires_grad_() for name, tensor in tensors.items()}


def test_impression_loss_by_hand():
    impression = torch.tensor([[[[0.0, 1.0], [0.5, 0.5]]]])
    image = torch.tensor([[[[1.0, 1.0], [0.0, 0.5]]]])
    assert impression_loss(impression, image).item() == pytest.approx((1 + 0 + 0.25 + 0) / 4)


def test_impression_loss_is_the_mean_squared_error():
    assert torch.isclose(impression_loss(images(0), images(1)), functional.mse_loss(images(0), images(1)))


def test_expert_losses_by_hand():
    flat = torch.zeros(1, 1, 2, 2)
    terms = expert_losses(
        reconstruction=flat + 0.5,
        image=flat + torch.tensor([[0.5, 0.5], [0.0, 1.0]]),
        naive_impression=flat + 0.75,
        impression=flat + 1.0,
        restored_detail=torch.tensor([[1.0, -1.0, 0.0, 0.0]]),
        detail=torch.tensor([[0.0, 1.0, 0.0, 0.0]]),
    )
    assert {name: value.item() for name, value in terms.items()} == {"image": 0.25, "impression": 0.25, "detail": 0.75}


def test_expert_losses_agree_with_torch():
    tensors = arguments()
    terms = expert_losses(**tensors)
    for term, got, wanted in (
        ("image", "reconstruction", "image"),
        ("impression", "naive_impression", "impression"),
        ("detail", "restored_detail", "detail"),
    ):
        assert torch.isclose(terms[term], functional.l1_loss(tensors[got], tensors[wanted]))


def test_no_gradient_reaches_the_detail():
    tensors = arguments()
    torch.stack(list(expert_losses(**tensors).values())).sum().backward()
    assert tensors["detail"].grad is None
    for name in ("reconstruction", "image", "naive_impression", "impression", "restored_detail"):
        assert bool((tensors[name].grad != 0).all()), name


def test_perfect_restoration_costs_nothing():
    x, m, s = images(0), images(1), images(2)[:, :, 0, 0]
    terms = expert_losses(reconstruction=x, image=x, naive_impression=m, impression=m, restored_detail=s, detail=s)
    assert {value.item() for value in terms.values()} == {0.0}
