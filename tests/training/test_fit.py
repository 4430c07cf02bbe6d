from __future__ import annotations

import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training import tiny
from utad.config import load_config
from utad.errors import NonFiniteLossError, TrainingError
from utad.models.build import build_two_stage, count_parameters
from utad.models.two_stage import TwoStage
from utad.training.checkpoints import AtomicCheckpointIO, read_checkpoint
from utad.training.fit import train_two_stage

DIVERGING = "{name: sgd, learning_rate: 1.0e+30, schedule: constant}"


class Killed(BaseException):
    """Stands for the end of the process."""


def trained(*overrides: str, seed: int = 0, directory: Path | None = None, resume: bool = False) -> TwoStage:
    config = tiny.config(*overrides, seed=seed)
    model = tiny.model(config)
    train_two_stage(model, tiny.images(), config, directory=directory, resume=resume)
    return model


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory) -> tuple[TwoStage, Path]:
    """A run from beginning to end, and its folder."""
    directory = tmp_path_factory.mktemp("uninterrupted")
    return trained(directory=directory), directory


def kill_at_save(monkeypatch, number: int, *, after: bool) -> None:
    """Ends training at the given save of a checkpoint, before it is in its place or right after."""
    save, saves = AtomicCheckpointIO.save_checkpoint, []

    def counting(self, checkpoint, path, storage_options=None):
        saves.append(path)
        if len(saves) < number or after:
            save(self, checkpoint, path)
        if len(saves) == number:
            raise Killed

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", counting)


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before(uninterrupted):
    torch.manual_seed(1)
    first = trained(seed=7)
    torch.manual_seed(2)
    assert tiny.same_weights(trained(seed=7), first)
    assert tiny.same_weights(trained(seed=0), uninterrupted[0])


def test_another_seed_gives_other_weights(uninterrupted):
    first, other = uninterrupted[0].state_dict(), trained(seed=1).state_dict()
    for part in ("ie_net.encoder", "ie_net.decoder", "expert_net.decoders"):
        names = [name for name in first if name.startswith(part) and name.endswith("weight")]
        assert any(not torch.equal(first[name], other[name]) for name in names), part


def test_every_part_is_trained_and_then_frozen(uninterrupted):
    model = uninterrupted[0]
    before = tiny.model(tiny.config()).state_dict()
    after = model.state_dict()
    unchanged = [name for name, _ in model.named_parameters() if torch.equal(after[name], before[name])]
    # Biases ahead of an instance norm are removed by it, and have no gradient but rounding.
    assert [name for name in unchanged if name.endswith("weight")] == []
    assert all(bool(torch.isfinite(tensor).all()) for tensor in after.values())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not any(module.training for module in model.modules())


def test_ie_net_stays_as_the_first_stage_left_it(uninterrupted):
    model, directory = uninterrupted
    first = read_checkpoint(directory / "checkpoints" / "ie_net.ckpt")["state_dict"]
    for name, tensor in model.ie_net.state_dict().items():
        assert torch.equal(tensor, first[f"ie_net.{name}"]), name


def test_batch_norm_learns_its_statistics_whatever_mode_the_network_is_handed_over_in(uninterrupted):
    config = tiny.config()
    model = tiny.model(config).eval()
    train_two_stage(model, tiny.images(), config)
    counts = {int(value) for name, value in model.state_dict().items() if name.endswith("num_batches_tracked")}
    assert counts == {6}
    assert tiny.same_weights(model, uninterrupted[0])


def test_the_loss_falls_on_images_that_are_easy():
    config = tiny.config(
        "ie_training.steps=80",
        "ie_training.checkpoint_every=80",
        "ie_training.optimizer.learning_rate=0.01",
        "expert_training.steps=50",
        "expert_training.checkpoint_every=50",
        "expert_training.optimizer.learning_rate=0.01",
        "precision=fp32",
    )
    model, images = tiny.model(config), tiny.images()
    with torch.no_grad():
        before = model.eval()(images)
    train_two_stage(model, images, config)
    with torch.no_grad():
        after = model(images)
    flat = images.mean()
    assert (after["impression"] - images).square().mean() < 0.5 * (before["impression"] - images).square().mean()
    assert (after["impression"] - images).square().mean() < 0.5 * (flat - images).square().mean()
    restored, blurred = (after["reconstruction"] - images).abs().mean(), (after["impression"] - images).abs().mean()
    assert restored < 0.8 * blurred
    naive = (after["naive_impression"] - after["impression"]).abs().mean()
    assert naive < 0.8 * (images - after["impression"]).abs().mean()


def test_the_metrics_hold_every_term_of_every_step(uninterrupted):
    rows = list(tiny.rows(uninterrupted[1] / "metrics.csv"))
    expected = [("ie_net", step, term) for step in range(6) for term in tiny.IE_TERMS]
    expected += [("expert_net", step, term) for step in range(6) for term in tiny.EXPERT_TERMS]
    assert sorted((stage, step, term) for stage, step, term, _ in rows) == sorted(expected)
    assert [row[:2] for row in rows] == sorted((row[:2] for row in rows), key=lambda row: (row[0] != "ie_net", row[1]))


def test_the_loss_in_the_metrics_is_the_weighted_sum_of_its_terms(uninterrupted):
    config = tiny.config()
    for stage, weights in (("ie_net", config.ie_training.weights), ("expert_net", config.expert_training.weights)):
        curves = {term: tiny.curve(uninterrupted[1] / "metrics.csv", stage, term) for term in weights.model_dump()}
        for step, loss in tiny.curve(uninterrupted[1] / "metrics.csv", stage, "loss").items():
            total = sum(weight * curves[term][step] for term, weight in weights.model_dump().items())
            assert loss == pytest.approx(total, rel=1e-3)


def test_the_statistics_of_the_codes_are_followed(uninterrupted):
    metrics = uninterrupted[1] / "metrics.csv"
    assert all(value > 0 for value in tiny.curve(metrics, "ie_net", "mu_std").values())
    assert all(value > 0 for value in tiny.curve(metrics, "expert_net", "detail_std").values())
    # Untrained, log sigma^2 is near 0 and sigma near 1.
    assert tiny.curve(metrics, "ie_net", "sigma_mean")[0] == pytest.approx(1, abs=0.2)


def test_the_report_holds_the_terms_of_the_last_step(tmp_path):
    config = tiny.config()
    report = train_two_stage(tiny.model(config), tiny.images(), config, directory=tmp_path)
    assert report.final_terms["ie_net"].keys() == tiny.IE_TERMS
    assert report.final_terms["expert_net"].keys() == tiny.EXPERT_TERMS
    for stage, terms in report.final_terms.items():
        assert report.seconds[stage] > 0
        for term, value in terms.items():
            assert tiny.curve(tmp_path / "metrics.csv", stage, term)[5] == pytest.approx(value, rel=1e-5)


def test_epochs_count_rounds_through_the_images(tmp_path):
    trained(
        "ie_training={steps: null, epochs: 3, batch_size: 2}",
        "expert_training={steps: null, epochs: 1, batch_size: 4}",
        directory=tmp_path,
    )
    steps = {stage: len(tiny.curve(tmp_path / "metrics.csv", stage, "loss")) for stage in ("ie_net", "expert_net")}
    assert steps == {"ie_net": 3 * (6 // 2), "expert_net": 6 // 4}


@pytest.mark.parametrize(("number", "after"), [(1, False), (2, True), (3, True), (5, False), (6, True)])
def test_a_run_killed_at_a_checkpoint_ends_in_the_same_weights(tmp_path, monkeypatch, uninterrupted, number, after):
    with monkeypatch.context() as killing:
        kill_at_save(killing, number, after=after)
        with pytest.raises(Killed):
            trained(directory=tmp_path)
    resumed = trained(directory=tmp_path, resume=True)
    assert tiny.same_weights(resumed, uninterrupted[0])


@pytest.mark.parametrize(("number", "after"), [(2, True), (5, False)])
def test_the_metrics_of_a_resumed_run_have_no_gap_and_no_row_twice(tmp_path, monkeypatch, uninterrupted, number, after):
    with monkeypatch.context() as killing:
        kill_at_save(killing, number, after=after)
        with pytest.raises(Killed):
            trained(directory=tmp_path)
    trained(directory=tmp_path, resume=True)
    assert list(tiny.rows(tmp_path / "metrics.csv")) == list(tiny.rows(uninterrupted[1] / "metrics.csv"))


def test_resuming_where_nothing_was_saved_starts_from_the_beginning(tmp_path, uninterrupted):
    assert tiny.same_weights(trained(directory=tmp_path, resume=True), uninterrupted[0])


@pytest.mark.parametrize(
    ("override", "stage", "section"),
    [
        (f"ie_training.optimizer={DIVERGING}", "ie_net", "ie_training"),
        (f"expert_training.optimizer={DIVERGING}", "expert_net", "expert_training"),
    ],
)
def test_a_loss_that_is_not_finite_stops_naming_stage_and_step(tmp_path, override, stage, section):
    with pytest.raises(NonFiniteLossError) as caught:
        trained(override, "precision=fp32", directory=tmp_path)
    found = re.match(rf"stage {stage}, step (\d+): the loss is not finite", str(caught.value))
    assert found is not None
    assert 1 <= int(found[1]) <= 3
    assert f"Lower {section}.optimizer.learning_rate" in str(caught.value)


def test_a_pixel_that_is_not_a_number_stops_the_first_step():
    config, images = tiny.config("ie_training.batch_size=6"), tiny.images()
    images[2, 0, 3, 4] = float("nan")
    with pytest.raises(NonFiniteLossError, match=r"stage ie_net, step 0: .*reconstruction"):
        train_two_stage(tiny.model(config), images, config)


@pytest.mark.parametrize("stage", ["ie_net", "expert_net"])
def test_weights_that_are_not_finite_are_refused_when_a_finished_stage_is_resumed(tmp_path, stage):
    # As a step leaves them whose loss was still finite and whose update was not.
    trained(directory=tmp_path)
    path = tmp_path / "checkpoints" / f"{stage}.ckpt"
    state = read_checkpoint(path)
    name = next(name for name in state["state_dict"] if name.startswith(stage) and name.endswith("weight"))
    state["state_dict"][name].view(-1)[0] = float("nan")
    AtomicCheckpointIO().save_checkpoint(state, path)
    with pytest.raises(TrainingError, match=f"stage {stage} ended with weights that are not finite"):
        trained(directory=tmp_path, resume=True)


def test_one_image_is_too_few_to_train_on():
    config = tiny.config()
    with pytest.raises(TrainingError, match="at least 2 normal images, got 1"):
        train_two_stage(tiny.model(config), tiny.images(1), config)


def test_two_images_are_enough():
    config = tiny.config()
    model = tiny.model(config)
    train_two_stage(model, tiny.images(2), config)
    assert all(bool(torch.isfinite(tensor).all()) for tensor in model.state_dict().values())


def test_expert_net_trains_on_single_images():
    # The spread of the codes over a batch of one is nothing, not NaN.
    config = tiny.config("expert_training.batch_size=1")
    report = train_two_stage(tiny.model(config), tiny.images(), config)
    assert report.final_terms["expert_net"]["detail_std"] == 0


@pytest.mark.parametrize("overrides", [("expert_net.guidance=false",), ("expert_net.shared=false",)])
def test_the_variants_of_table_2_train_to_finite_weights(overrides, tmp_path):
    before = tiny.model(tiny.config(*overrides)).state_dict()
    after = trained(*overrides, directory=tmp_path).state_dict()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in after.values())
    decoders = [name for name in after if name.startswith("expert_net.decoders") and name.endswith("weight")]
    assert all(not torch.equal(after[name], before[name]) for name in decoders)
    assert len(tiny.curve(tmp_path / "metrics.csv", "expert_net", "loss")) == 6


def test_the_paper_preset_trains_with_its_own_layout(tmp_path):
    overrides = ["image.size=32", "backbone.name=efficientnet_lite0"]
    overrides += ["ie_training.epochs=1", "expert_training.epochs=1"]
    config = load_config("paper", overrides=overrides)
    assert sum(count_parameters(config).values()) > 16.7e6
    model = build_two_stage(config, 3)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train_two_stage(model, tiny.images(8).expand(-1, 3, -1, -1).contiguous(), config, directory=tmp_path)
    after = model.state_dict()
    assert all(bool(torch.isfinite(tensor).all()) for tensor in after.values())
    for part in ("ie_net.encoder", "ie_net.decoder", "expert_net.image_encoder", "expert_net.decoders.0"):
        names = [name for name in after if name.startswith(part) and name.endswith("weight")]
        assert all(not torch.equal(after[name], before[name]) for name in names), part
    # 8 images in batches of 4: two steps an epoch.
    for stage in ("ie_net", "expert_net"):
        assert list(tiny.curve(tmp_path / "metrics.csv", stage, "loss")) == [0, 1]


@pytest.fixture
def ctrl_c() -> Iterator[Any]:
    """Python's own handler of Ctrl-C: a job in the background starts with the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_in_python_ctrl_c_stays_ctrl_c_and_sigterm_ends_with_143(monkeypatch, tmp_path, ctrl_c):
    save = AtomicCheckpointIO.save_checkpoint
    for number, expected in ((signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)):

        def saving(self, checkpoint, path, storage_options=None, *, number=number):
            save(self, checkpoint, path)
            signal.raise_signal(number)

        monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", saving)
        with pytest.raises(expected) as caught:
            trained(directory=tmp_path / str(number))
        assert (tmp_path / str(number) / "checkpoints" / "ie_net.ckpt").is_file()
        assert signal.getsignal(signal.SIGINT) is ctrl_c
    assert caught.value.code == 143
