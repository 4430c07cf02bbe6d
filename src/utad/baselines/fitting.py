"""Training of the compared methods by Adam."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn

from utad.baselines.baseline import FROM_ALL_BUT_HELD_OUT, Baseline, Scores
from utad.errors import NonFiniteLossError

VALIDATION_SHARE = 0.1


class Turn(NamedTuple):
    """What is trained in one part of a step.

    Attributes:
        network: whose weights alone are changed.
        loss: of a batch, a scalar, that they are changed to minimise.
    """

    network: nn.Module
    loss: Callable[[Tensor], Tensor]


@dataclass(kw_only=True, eq=False)
class TrainedBaseline(Baseline):
    """A method whose networks are trained by gradient descent, once and not per fold: that would take too long.

    As UTAD's, they are trained without the held-out images. All normal images set the threshold, those that were
    trained on with the gap between the medians of the two groups added to their scores.

    Args:
        steps: of training, one batch each.
        batch_size: images per step.
        learning_rate: of Adam.

    Attributes:
        losses_: the loss of every step, from `fit` on.
        step_seconds: how long each batch of the last `fit` took, of all its networks.
    """

    learns_from = FROM_ALL_BUT_HELD_OUT
    betas = (0.9, 0.999)
    """Of Adam."""
    weight_decay = 0.0
    """Of Adam."""

    steps: int = 1500
    batch_size: int = 16
    learning_rate: float = 2e-4
    losses_: list[float] = field(init=False, repr=False)
    step_seconds: list[float] = field(init=False, repr=False, default_factory=list)

    def training_steps(self) -> str:
        """Batches of the training, and images in one."""
        return f"{self.steps} of {self.batch_size} images"

    def train(
        self,
        networks: Sequence[nn.Module],
        images: Tensor,
        loss: Callable[[Tensor], Tensor],
        *,
        steps: int | None = None,
        drop_after: int | None = None,
    ) -> list[float]:
        """Minimises `loss` of a batch by Adam, then freezes the networks.

        Args:
            networks: to be trained.
            images: `(N, C, S, S)`; or anything else with N rows, as the indices of images and their targets.
            loss: of a batch, a scalar.
            steps: number of batches; None for `self.steps`.
            drop_after: steps after which the learning rate falls to a tenth.

        Returns:
            The loss of every step.

        Raises:
            NonFiniteLossError: naming the method and the step.
        """
        optimizer = self._adam(*networks)
        losses = []
        with torch.enable_grad():
            drawn = batches(images, steps=self.steps if steps is None else steps, batch_size=self.batch_size)
            for step, batch in enumerate(self._timed(drawn)):
                if step == drop_after:
                    for group in optimizer.param_groups:
                        group["lr"] *= 0.1
                losses.append(self._update(optimizer, loss(batch), step))
        _freeze(*networks)
        return losses

    def _fit(self, images: Tensor, image_of: Tensor) -> Scores:
        self.step_seconds.clear()
        return self._fit_once(images, image_of)

    def _timed(self, drawn: Iterator[Tensor]) -> Iterator[Tensor]:
        for batch in drawn:
            start = time.perf_counter()
            yield batch
            self.step_seconds.append(time.perf_counter() - start)

    def _adam(self, *networks: nn.Module) -> torch.optim.Adam:
        parameters = [parameter for network in networks for parameter in network.parameters()]
        return torch.optim.Adam(parameters, lr=self.learning_rate, betas=self.betas, weight_decay=self.weight_decay)

    def _update(self, optimizer: torch.optim.Adam, loss: Tensor, step: int) -> float:
        value = float(loss.detach())
        if not math.isfinite(value):
            raise NonFiniteLossError(f"{self.name}, step {step}: the loss is not finite")
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        return value


@dataclass(kw_only=True, eq=False)
class AdversarialBaseline(TrainedBaseline):
    """A method whose generator and discriminator are trained against each other, with the betas of DCGAN.

    Args:
        steps: of the generator.

    Attributes:
        adversarial_losses_: the generator's and the discriminator's loss of every step, from `fit` on.
    """

    betas = (0.5, 0.999)

    adversarial_losses_: list[tuple[float, float]] = field(init=False, repr=False)

    def train_adversarial(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        images: Tensor,
        losses: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]],
        *,
        discriminator_steps: int = 1,
    ) -> list[tuple[float, float]]:
        """Trains two networks by Adam, in each step the discriminator first, then freezes them.

        Args:
            generator: minimises the first loss.
            discriminator: minimises the second loss.
            images: `(N, C, S, S)`, at least two: batch norm needs as many.
            losses: of a batch, a scalar each.
            discriminator_steps: batches that the discriminator sees for one of the generator.

        Returns:
            Both losses of every step of the generator, the discriminator's being that of its last batch.

        Raises:
            NonFiniteLossError: naming the method and the step.
        """
        generator_loss, discriminator_loss = losses
        turns = (Turn(discriminator, discriminator_loss), Turn(generator, generator_loss))
        history = self.train_in_turn(turns, images, first_steps=discriminator_steps)
        return [(first, second) for second, first in history]

    def train_in_turn(
        self,
        turns: Sequence[Turn],
        images: Tensor,
        *,
        first_steps: int = 1,
    ) -> list[tuple[float, ...]]:
        """Trains networks by Adam one after the other in every step, then freezes them.

        Args:
            turns: what is trained, in this order.
            images: `(N, C, S, S)`, at least two: batch norm needs as many.
            first_steps: batches that the first network sees in a step; the others see the last of them.

        Returns:
            The losses of every step in the order of the turns, the first network's being that of its last batch.

        Raises:
            NonFiniteLossError: naming the method and the step.
        """
        updates = [(self._adam(turn.network), turn.loss) for turn in turns]
        history = []
        with torch.enable_grad():
            drawn = batches(images, steps=self.steps * first_steps, batch_size=self.batch_size)
            for count, batch in enumerate(self._timed(drawn), start=1):
                step = (count - 1) // first_steps
                whole = count % first_steps == 0
                due = updates if whole else updates[:1]
                losses = tuple(self._update(optimizer, loss(batch), step) for optimizer, loss in due)
                if whole:
                    history.append(losses)
        _freeze(*(turn.network for turn in turns))
        return history


def hold_back(images: Tensor) -> tuple[Tensor, Tensor]:
    """Splits off the last tenth, which neighbours in time or space share least with the rest.

    Returns:
        The images to learn from and those to set scales on, at least one each; a single image is both.
    """
    count = max(1, round(VALIDATION_SHARE * len(images)))
    return (images[:-count], images[-count:]) if len(images) > 1 else (images, images)


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


def _freeze(*networks: nn.Module) -> None:
    for network in networks:
        network.eval().requires_grad_(requires_grad=False)
