from __future__ import annotations

import pytest
import torch

from tests.baselines import stripes
from utad.baselines.avid import (
    AVID,
    Inpainter,
    PatchDetector,
    between_cells,
    detector_loss,
    first_stride,
    inpainter_loss,
    irregularity,
)
from utad.errors import ConfigError


def test_the_detector_of_the_source_size_has_the_cells_and_the_patches_of_the_source():
    detector = PatchDetector(1, 224, width=4)
    sides = []
    values = torch.rand(1, 1, 224, 224)
    with torch.no_grad():
        for layer in detector.layers:
            values = layer(values)
            sides.append(values.shape[-1])
    assert list(dict.fromkeys(sides)) == [54, 26, 11]
    assert (detector.stride, detector.patch, detector.cells) == (16, 51, 11)
    wide = PatchDetector(1, 224, width=64)
    assert [layer.out_channels for layer in wide.layers[::2]] == [96] * 6 + [256, 512, 1024, 1024, 1]


@pytest.mark.parametrize(
    ("size", "first", "stride", "patch", "cells"),
    [
        (64, 1, 4, 21, 11),
        (96, 2, 8, 31, 9),
        (112, 2, 8, 31, 11),
        (128, 2, 8, 31, 13),
        (192, 3, 12, 41, 13),
        (256, 4, 16, 51, 13),
    ],
)
def test_smaller_images_have_smaller_patches_and_about_as_many_cells(size, first, stride, patch, cells):
    assert first_stride(size) == first
    detector = PatchDetector(3, size, width=2)
    assert (detector.stride, detector.patch, detector.cells) == (stride, patch, cells)
    with torch.no_grad():
        assert detector(torch.rand(2, 3, size, size)).shape == (2, cells, cells)


def test_a_cell_sees_its_patch_and_nothing_else():
    torch.manual_seed(0)
    detector = PatchDetector(1, 64, width=4).double()
    images = torch.rand(1, 1, 64, 64, dtype=torch.double, requires_grad=True)
    (gradient,) = torch.autograd.grad(detector(images)[0, 3, 6], images)
    seen = torch.zeros(64, 64, dtype=torch.bool)
    seen[3 * 4 : 3 * 4 + 21, 6 * 4 : 6 * 4 + 21] = True
    assert (gradient[0, 0][~seen] == 0).all()
    assert (gradient[0, 0][seen] != 0).all()


def test_the_least_squares_game_by_hand():
    normal, inpainted = torch.tensor([[[1.0, 0.5]]]), torch.tensor([[[0.0, 2.0]]])
    # (0 + 0.25) / 2 and (0 + 4) / 2; what the inpainter wants is that all are 1: (1 + 1) / 2.
    assert detector_loss(normal, inpainted).item() == pytest.approx(0.125 + 2.0)
    assert inpainter_loss(inpainted).item() == pytest.approx(1.0)


def test_the_score_is_of_the_least_regular_cell():
    cells = torch.tensor([[[1.0, 0.4], [0.9, 1.2]], [[1.0, 1.0], [-1.0, 3.0]]])
    assert irregularity(cells).tolist() == pytest.approx([-0.7, 0.0])


def test_cells_are_interpolated_between_the_centres_of_their_patches():
    # Two cells of patches of 5 pixels, 4 apart: their centres are the pixels 2 and 6.
    rows = between_cells(torch.tensor([[[0.0, 0.0], [1.0, 1.0]]]), 9, stride=4, patch=5)
    assert rows.shape == (1, 9, 9)
    assert rows[0, :, 0].tolist() == pytest.approx([0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1])
    assert torch.equal(rows[0], rows[0, :, :1].expand(9, 9))
    one = between_cells(torch.full((1, 1, 1), 0.3), 4, stride=4, patch=3)
    assert one.flatten().tolist() == pytest.approx([0.3] * 16)


def test_the_inpainter_keeps_the_size_and_has_the_widths_of_the_source():
    inpainter = Inpainter(3, width=64)
    assert [block[3].out_channels for block in inpainter.down] == [64, 128, 256, 256, 64]
    assert [block[3].out_channels for block in inpainter.up] == [256, 64, 64, 64]
    with torch.no_grad():
        assert Inpainter(3, width=2)(torch.rand(2, 3, 48, 48)).shape == (2, 3, 48, 48)


def test_each_loss_is_the_game_and_reaches_its_own_network():
    method = AVID(size=32, width=4, steps=0, noise=0.0)
    images = torch.rand(4, 1, 32, 32)
    method.learn(images)
    for network in (method.inpainter_, method.detector_):
        network.requires_grad_()
    shown = 2 * images - 1
    with torch.no_grad():
        real, fake = method.detector_(shown), method.detector_(method.inpainter_(shown))
    loss = method._detector_loss(images)
    torch.testing.assert_close(loss.detach(), (real - 1).square().mean() + fake.square().mean())
    torch.autograd.backward(loss)
    assert all(parameter.grad is None for parameter in method.inpainter_.parameters())
    assert all(parameter.grad is not None for parameter in method.detector_.parameters())
    torch.testing.assert_close(method._inpainter_loss(images).detach(), (fake - 1).square().mean())
    method.reconstruction = 3.0
    with torch.no_grad():
        expected = (fake - 1).square().mean() + 3 * (method.inpainter_(shown) - shown).square().mean()
        torch.testing.assert_close(method._inpainter_loss(images), expected)


def test_the_inpainter_sees_clipped_noise_in_training_alone():
    method = AVID(size=32, width=4, steps=0, noise=0.1)
    grey = torch.full((16, 1, 32, 32), 0.5)
    method.learn(grey)
    seen = []
    method.inpainter_.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        method._detector_loss(grey)
        method._inpainter_loss(grey)
        method.score(grey)
        method.noise = 5.0
        method._inpainter_loss(grey)
    # 0.1 of images in [0, 1] is 0.2 of those in [-1, 1] that the networks see.
    for one in seen[:2]:
        assert one.mean().item() == pytest.approx(0, abs=0.01)
        assert one.std().item() == pytest.approx(0.2, rel=0.03)
    assert (seen[2] == 0).all()
    assert (float(seen[3].min()), float(seen[3].max())) == (-1, 1)


def test_the_map_is_the_residual_where_patches_are_irregular():
    method = AVID(size=32, width=4, steps=1)
    images = torch.rand(4, 3, 32, 32)
    method.learn(images)
    with torch.no_grad():
        inpainted = method.inpainter_(2 * images - 1)
        cells = method.detector_(inpainted)
        scores = method.score(images)
    torch.testing.assert_close(scores.image, -(cells.flatten(1).amin(dim=1) + 1) / 2)
    residual = (2 * images - 1 - inpainted).abs().sum(dim=1)
    # The first centre is the pixel 10, from which on to the corner nothing changes.
    torch.testing.assert_close(scores.maps[:, :10, :10], residual[:, :10, :10] * (1 - cells[:, :1, :1]))
    # A detector that finds everything more regular than what it learnt from.
    last = torch.nn.Conv2d(64, 1, 1)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, 3.0)
    method.detector_.layers[-1] = last
    with torch.no_grad():
        assert (method.score(images).maps == 0).all()


def test_both_networks_learn_and_the_square_stands_out():
    """With the term that ties I(x) to x: in so few steps the game alone does not, and min D(I(x)) goes up and down."""
    method, untrained = (
        AVID(size=stripes.SIZE, width=8, steps=steps, batch_size=8, learning_rate=1e-3, reconstruction=1.0)
        for steps in (70, 0)
    )
    normal, anomalous = stripes.normal(24, seed=1), stripes.anomalous(24, seed=2)
    square = (anomalous == 0.5)[:, 0]
    aurocs, contrasts, residuals = [], [], []
    for one in (untrained, method):
        torch.manual_seed(0)
        one.learn(stripes.normal(64, seed=0))
        with torch.no_grad():
            judged = irregularity(one.detector_(2 * torch.cat([normal, anomalous]) - 1))
            maps = one.score(anomalous).maps
            residuals.append(float((one.inpainter_(2 * normal - 1) - (2 * normal - 1)).abs().mean()))
        aurocs.append(stripes.auroc(judged))
        contrasts.append(float(maps[square].mean() / maps[~square].mean()))
    assert aurocs[0] < 0.9
    assert aurocs[1] > 0.95
    assert contrasts[0] < 0.7
    assert contrasts[1] > 1.5
    assert residuals[1] < 0.5 * residuals[0]


def test_the_same_seed_gives_the_same_scores_and_another_others():
    stripes.check_seeds(lambda: AVID(size=stripes.SIZE, width=4, steps=2, batch_size=4))


@pytest.mark.parametrize("size", [16, 40, 72])
def test_sizes_that_do_not_halve_four_times_are_refused(size):
    with pytest.raises(
        ConfigError, match=rf"^avid: got images of {size} pixels, expected a multiple of 16 of at least"
    ):
        AVID(size=size)
