from __future__ import annotations

import pytest
import torch

from utad.baselines.anogan import AnoGAN
from utad.baselines.fitting import hold_back
from utad.errors import NonFiniteLossError


def test_a_tenth_is_held_back():
    training, validation = hold_back(torch.arange(30.0))
    assert training.tolist() == list(range(27))
    assert validation.tolist() == [27, 28, 29]


def test_the_discriminator_sees_as_many_batches_as_it_is_told_for_one_of_the_generator():
    generator, discriminator = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    order = []

    def loss(name, network):
        def of(batch):
            order.append((name, int(batch.sum())))
            return network.weight.sum() + 0 * batch.sum()

        return of

    losses = AnoGAN(steps=2, batch_size=1).train_adversarial(
        generator,
        discriminator,
        torch.arange(6.0).reshape(6, 1, 1, 1),
        (loss("generator", generator), loss("discriminator", discriminator)),
        discriminator_steps=3,
    )
    assert [name for name, _ in order] == (["discriminator"] * 3 + ["generator"]) * 2
    assert len(losses) == 2
    # Every batch of the discriminator is another one; the generator's is the last of them.
    assert sorted(image for name, image in order if name == "discriminator") == list(range(6))
    assert order[3][1] == order[2][1]


def test_an_adversarial_loss_that_is_not_finite_stops_naming_the_step_of_the_generator():
    generator, discriminator = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    seen = []

    def judge(batch):
        seen.append(batch)
        return discriminator.weight.sum() / (0 if len(seen) == 4 else 1)

    with pytest.raises(NonFiniteLossError, match="anogan, step 1"):
        AnoGAN(steps=3, batch_size=2).train_adversarial(
            generator,
            discriminator,
            torch.ones(2, 1, 1, 1),
            (lambda batch: generator.weight.sum(), judge),
            discriminator_steps=2,
        )
