from __future__ import annotations

import pytest
import torch
from pytorch_lightning.plugins import MixedPrecision, Precision
from torch import nn

from tests.training import tiny
from utad.config import OptimizerConfig
from utad.errors import NonFiniteLossError
from utad.models.build import build_critics
from utad.training.expert_stage import ExpertStage
from utad.training.ie_stage import IEStage
from utad.training.stage import Stage, build_optimizer


def ie_stage(*overrides: str, seed: int = 0) -> IEStage:
    config = tiny.config(*overrides)
    return IEStage(
        tiny.model(config).ie_net,
        build_critics(config.ie_net),
        images=tiny.images(),
        augmentation=config.augment,
        settings=config.ie_training,
        seed=seed,
    )


def expert_stage(*overrides: str) -> ExpertStage:
    config = tiny.config(*overrides)
    model = tiny.model(config)
    return ExpertStage(
        model.ie_net,
        model.expert_net,
        images=tiny.images(),
        augmentation=config.augment,
        settings=config.expert_training,
        seed=0,
    )


@pytest.fixture(autouse=True)
def logged(monkeypatch) -> dict[str, float]:
    """What a stage logs, without the trainer that it would log to."""
    values: dict[str, float] = {}
    monkeypatch.setattr(Stage, "log", lambda self, name, value, **_: values.__setitem__(name, value))
    return values


def test_the_loss_is_the_weighted_sum_and_every_term_is_kept(logged):
    stage = ie_stage()
    terms = {"reconstruction": torch.tensor(0.5), "prior": torch.tensor(2.0)}
    weights = {"reconstruction": 100.0, "prior": 0.1, "local_information": 1.5}
    loss = stage.weighted_sum(terms, weights, {"mu_std": torch.tensor(0.25)})
    assert loss.item() == pytest.approx(50.2)
    kept = {"loss": 50.2, "reconstruction": 0.5, "prior": 2.0, "mu_std": 0.25}
    assert stage.term_values == pytest.approx(kept)
    assert logged == pytest.approx(kept)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_not_finite_names_stage_step_and_the_terms_at_fault(value):
    terms = {"image": torch.tensor(1.0), "impression": torch.tensor(value), "detail": torch.tensor(value)}
    with pytest.raises(NonFiniteLossError) as caught:
        expert_stage().weighted_sum(terms, dict.fromkeys(terms, 1.0), {})
    message = str(caught.value)
    assert "stage expert_net, step 0: the loss is not finite (term impression, detail)" in message
    assert "expert_training.optimizer.learning_rate" in message


def test_the_first_stage_gives_every_trained_weight_a_gradient():
    stage = ie_stage()
    stage.training_step(tiny.images(4), 0).backward()
    missing = [name for name, parameter in stage.named_parameters() if parameter.grad is None]
    assert missing == []
    terms = [
        "loss",
        "reconstruction",
        "restoration",
        "local_information",
        "global_information",
        "prior",
        "mu_std",
        "sigma_mean",
    ]
    assert list(stage.term_values) == terms


@pytest.mark.parametrize("layout", ["fast", "paper"])
@pytest.mark.parametrize("shared", ["true", "false"])
def test_the_second_stage_trains_all_of_expert_net_and_nothing_of_ie_net(layout, shared):
    stage = expert_stage(f"expert_net.layout={layout}", f"expert_net.shared={shared}")
    stage.training_step(tiny.images(4), 0).backward()
    with_gradient = {name for name, parameter in stage.named_parameters() if parameter.grad is not None}
    assert with_gradient == {name for name, _ in stage.named_parameters() if name.startswith("expert_net.")}
    optimised = stage.configure_optimizers()["optimizer"].param_groups[0]["params"]
    assert {id(parameter) for parameter in optimised} == {id(p) for p in stage.expert_net.parameters()}
    assert list(stage.term_values) == ["loss", "image", "impression", "detail", "detail_std"]


def test_ie_net_keeps_its_batch_statistics_in_the_second_stage():
    stage = expert_stage().train()
    assert stage.expert_net.training
    assert not any(module.training for module in stage.ie_net.modules())
    before = {name: tensor.clone() for name, tensor in stage.ie_net.state_dict().items()}
    stage.training_step(tiny.images(4), 0)
    assert all(torch.equal(tensor, before[name]) for name, tensor in stage.ie_net.state_dict().items())


def test_the_terms_of_the_second_stage_by_hand():
    stage = expert_stage("expert_training.anomalous=0")
    images = tiny.images(4)
    stage.training_step(images, 0)
    # The fast layout starts as the identity: x_hat is m and m_hat is x.
    impressions = stage.ie_net(images).impression
    difference = (impressions - images).abs().mean().item()
    details = stage.expert_net.image_detail(images), stage.expert_net.image_detail(impressions)
    assert stage.term_values["image"] == pytest.approx(difference, rel=1e-5)
    assert stage.term_values["impression"] == pytest.approx(difference, rel=1e-5)
    assert stage.term_values["detail"] == pytest.approx((details[1] - details[0]).abs().mean().item(), rel=1e-4)
    of_batch, of_population = (details[0].std(dim=0, correction=n).mean().item() for n in (0, 1))
    assert 0.999 * of_batch <= stage.term_values["detail_std"] <= 1.001 * of_population
    assert stage.term_values["loss"] == pytest.approx(20 * difference + stage.term_values["detail"], rel=1e-5)


def test_the_first_stage_restores_what_a_synthetic_anomaly_replaced():
    stage, images = ie_stage("ie_training.anomalous=0.5"), tiny.images(4)
    seen = stage.with_anomalies(images, 2)
    changed = (seen.images != images).any(dim=1).flatten(1).any(dim=1)
    assert changed.tolist() == [True, True, False, False]
    assert seen.mask.flatten(1).any(dim=1).tolist() == [True, True, False, False]
    stage.training_step(images, 0)
    errors = (stage.ie_net(seen.images).impression - images).square().mean(dim=1)
    # In training mode the batch norms see the changed images, as they did in the step.
    assert stage.term_values["reconstruction"] == pytest.approx(errors.mean().item(), rel=1e-4)
    assert stage.term_values["restoration"] == pytest.approx(errors[seen.mask].mean().item(), rel=1e-4)
    plain = ie_stage("ie_training.anomalous=0")
    plain.training_step(images, 0)
    assert "restoration" not in plain.term_values
    assert plain.with_anomalies(images, 0).images is images


def test_the_second_stage_restores_x_and_learns_the_way_back_from_normal_images():
    stage, images = expert_stage("expert_training.anomalous=0.5"), tiny.images(4)
    stage.training_step(images, 0)
    impressions = stage.ie_net(stage.with_anomalies(images, 2).images).impression
    # The fast layout starts as the identity: x_hat is m and m_hat is x.
    assert stage.term_values["image"] == pytest.approx((impressions - images).abs().mean().item(), rel=1e-5)
    way_back = (images - impressions)[2:].abs().mean().item()
    assert stage.term_values["impression"] == pytest.approx(way_back, rel=1e-5)


def test_without_guidance_the_second_stage_has_no_detail_to_restore():
    stage = expert_stage("expert_net.guidance=false")
    stage.training_step(tiny.images(4), 0).backward()
    assert stage.term_values["detail"] == 0
    assert stage.term_values["detail_std"] > 0.3


def test_critics_without_weight_are_left_out():
    stage = ie_stage("ie_training.weights.local_information=0", "ie_training.weights.global_information=0")
    stage.training_step(tiny.images(4), 0)
    assert "local_information" not in stage.term_values
    assert "global_information" not in stage.term_values


def test_the_latent_noise_depends_on_seed_and_step_alone(monkeypatch):
    values = []
    for seed, step in ((0, 0), (0, 0), (1, 0), (0, 1)):
        monkeypatch.setattr(Stage, "global_step", step)
        torch.manual_seed(0)  # the critics' weights
        stage = ie_stage(seed=seed)
        torch.manual_seed(len(values))
        stage.training_step(tiny.images(4), 0)
        values.append(stage.term_values["local_information"])
    assert values[0] == values[1]
    assert len(set(values)) == 3


def test_without_guidance_the_details_depend_on_the_step(monkeypatch):
    spreads = []
    for step in (0, 0, 1):
        monkeypatch.setattr(Stage, "global_step", step)
        stage = expert_stage("expert_net.guidance=false")
        stage.training_step(tiny.images(4), 0)
        spreads.append(stage.term_values["detail_std"])
    assert spreads[0] == spreads[1] != spreads[2]


@pytest.mark.parametrize(
    ("settings", "kind", "expected"),
    [
        ({"name": "sgd", "momentum": 0.8}, torch.optim.SGD, {"momentum": 0.8}),
        ({"name": "adam", "betas": (0.5, 0.999)}, torch.optim.Adam, {"betas": (0.5, 0.999)}),
        ({"name": "adamw", "betas": (0.9, 0.99)}, torch.optim.AdamW, {"betas": (0.9, 0.99)}),
    ],
)
def test_the_optimizer_is_the_one_named_with_its_settings(settings, kind, expected):
    config = OptimizerConfig(learning_rate=0.01, weight_decay=0.003, **settings)
    optimizer = build_optimizer(nn.Linear(2, 2).parameters(), config)
    assert type(optimizer) is kind
    group = optimizer.param_groups[0]
    assert (group["lr"], group["weight_decay"]) == (0.01, 0.003)
    assert {name: group[name] for name in expected} == expected


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_gradients_are_clipped_in_every_precision(precision, name):
    stage = ie_stage(
        f"ie_training.optimizer.name={name}",
        "ie_training.gradient_clip=1.0e-3",
        "ie_training.optimizer.schedule=constant",
    )
    made = stage.configure_optimizers()
    optimizer = made["optimizer"] if isinstance(made, dict) else made
    plugin = MixedPrecision("bf16-mixed", "cpu") if precision == "bf16-mixed" else Precision()
    for parameter in stage.parameters():
        parameter.grad = torch.ones_like(parameter)
    plugin.clip_gradients(optimizer, clip_val=1e-3)
    norms = [float(parameter.grad.norm()) for group in optimizer.param_groups for parameter in group["params"]]
    assert sum(norm**2 for norm in norms) ** 0.5 == pytest.approx(1e-3, rel=1e-3)


def test_one_cycle_rises_to_the_learning_rate_within_a_fifth_and_falls_to_nothing():
    stage = ie_stage("ie_training.steps=50", "ie_training.optimizer.learning_rate=0.01")
    made = stage.configure_optimizers()
    optimizer, schedule = made["optimizer"], made["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(50):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step() if len(rates) < 50 else None
    assert max(rates) == pytest.approx(0.01)
    assert rates.index(max(rates)) == 9
    assert rates[0] == pytest.approx(0.01 / 25)
    assert rates[-1] < 1e-5
    assert made["lr_scheduler"]["interval"] == "step"


def test_a_constant_schedule_is_the_optimizer_alone():
    stage = ie_stage("ie_training.optimizer.schedule=constant")
    assert isinstance(stage.configure_optimizers(), torch.optim.AdamW)


@pytest.mark.parametrize("steps", [*range(1, 13), 50])
def test_the_learning_rate_is_positive_at_every_step_of_a_training_of_any_length(steps):
    schedule = ie_stage(f"ie_training.steps={steps}").configure_optimizers()
    optimizer, rates = schedule["optimizer"], []
    for _ in range(steps):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule["lr_scheduler"]["scheduler"].step()
    assert all(0 < rate <= optimizer.defaults["lr"] * (1 + 1e-6) for rate in rates)
