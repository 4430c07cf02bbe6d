"""The training loop of the compared methods."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

from utad.errors import NonFiniteLossError


def batches(images: Tensor, *, steps: int, batch_size: int) -> Iterator[Tensor]:
    """Batches of `min(batch_size, N)` images, in a new order each time round, drawn from torch's own generator."""
    count = len(images)
    size = min(batch_size, count)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        while len(order) < size:
            order = torch.cat([order, torch.randperm(count)])
        yield images[order[:size]]
        order = order[size:]


def fit_steps(
    parameters: Iterable[nn.Parameter],
    images: Tensor,
    loss: Callable[[Tensor], Tensor],
    *,
    name: str,
    steps: int,
    batch_size: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    betas: tuple[float, float] = (0.9, 0.999),
    drop_after: int | None = None,
) -> list[float]:
    """Minimises `loss` of a batch by Adam.

    Args:
        parameters: to be trained.
        images: `(N, C, S, S)`; or anything else with N rows, as the indices of images and their targets.
        loss: of a batch, a scalar.
        name: of the method, for errors.
        steps: number of batches.
        batch_size: images a step.
        learning_rate: of Adam.
        weight_decay: of Adam.
        betas: of Adam.
        drop_after: steps after which the learning rate falls to a tenth.

    Returns:
        The loss of every step.

    Raises:
        NonFiniteLossError: naming the method and the step.
    """
    optimizer = torch.optim.Adam(parameters, lr=learning_rate, betas=betas, weight_decay=weight_decay)
    losses = []
    with torch.enable_grad():
        for step, batch in enumerate(batches(images, steps=steps, batch_size=batch_size)):
            if step == drop_after:
                for group in optimizer.param_groups:
                    group["lr"] *= 0.1
            value = loss(batch)
            losses.append(checked(value, name, step))
            optimizer.zero_grad(set_to_none=True)
            torch.autograd.backward(value)
            optimizer.step()
    return losses


def checked(loss: Tensor, name: str, step: int) -> float:
    """The value of a loss.

    Raises:
        NonFiniteLossError: if it is not finite.
    """
    value = float(loss.detach())
    if value != value or value in (float("inf"), float("-inf")):
        raise NonFiniteLossError(f"{name}, step {step}: the loss is not finite")
    return value


def fit_adversarial(
    generator: Iterable[nn.Parameter],
    discriminator: Iterable[nn.Parameter],
    images: Tensor,
    losses: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]],
    *,
    name: str,
    steps: int,
    batch_size: int,
    learning_rate: float = 2e-4,
    betas: tuple[float, float] = (0.5, 0.999),
) -> list[tuple[float, float]]:
    """Trains two networks against each other by Adam: on each batch the discriminator first, then the generator.

    Args:
        generator: its parameters.
        discriminator: its parameters.
        images: `(N, C, S, S)`, at least two: batch norm needs as many.
        losses: of a batch, the generator's and the discriminator's, a scalar each.
        name: of the method, for errors.
        steps: number of batches.
        batch_size: images a step.
        learning_rate: of both.
        betas: of both.

    Returns:
        Both losses of every step, in the order of `losses`.

    Raises:
        NonFiniteLossError: naming the method and the step.
    """
    sides = [
        (loss, torch.optim.Adam(parameters, lr=learning_rate, betas=betas))
        for loss, parameters in zip(losses, (list(generator), list(discriminator)), strict=True)
    ]
    history = []
    with torch.enable_grad():
        for step, batch in enumerate(batches(images, steps=steps, batch_size=batch_size)):
            values = []
            for loss, optimizer in reversed(sides):
                value = loss(batch)
                values.append(checked(value, name, step))
                optimizer.zero_grad(set_to_none=True)
                torch.autograd.backward(value)
                optimizer.step()
            history.append((values[1], values[0]))
    return history
