"""UTAD under anomalib's Engine, on a fabricated category in the layout of MVTec AD."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tests import fabricate
from tests.conftest import SHORTEST
from utad import UTAD
from utad.errors import ConfigError, DatasetError, ModelFileError, NotFittedError

engine = pytest.importorskip("anomalib.engine")
data = pytest.importorskip("anomalib.data")

# anomalib's and Lightning's own: names that timm has moved, workers of loaders, and so on.
pytestmark = pytest.mark.filterwarnings(
    "ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning", "ignore::ResourceWarning"
)


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("anomalib")
    fabricate.mvtec_category(root / "bottle", n_train=8, n_good=3)
    return root


@pytest.fixture(scope="module")
def trained(root):
    """The model that the Engine trained, and the Engine."""
    return fitted(root, root / "results")


def fitted(root: Path, results: Path):
    from utad.integrations.anomalib import Utad

    runner = engine.Engine(default_root_dir=results, accelerator="cpu", enable_progress_bar=False)
    model = Utad(overrides=SHORTEST)
    images = data.MVTecAD(root=root, category="bottle", train_batch_size=3, eval_batch_size=5, num_workers=0)
    runner.fit(model, datamodule=images)
    return model, runner


def scores_of(batches) -> dict[str, float]:
    from utad.integrations.anomalib import unbounded

    return {
        str(Path(path).relative_to(Path(path).parents[1])): float(unbounded(score))
        for batch in batches
        for path, score in zip(batch.image_path, batch.pred_score, strict=True)
    }


@pytest.fixture(scope="module")
def predicted(root, trained):
    """The Engine's predictions of a model that knows the checkpoint alone."""
    from utad.integrations.anomalib import Utad

    runner = engine.Engine(default_root_dir=root / "predicted", accelerator="cpu", enable_progress_bar=False)
    checkpoint = trained[1].best_model_path
    model = Utad(overrides=SHORTEST, visualizer=False)
    return runner.predict(model, data_path=root / "bottle" / "test", ckpt_path=checkpoint)


def test_scores_maps_labels_and_masks_are_utads_own(root, predicted):
    from utad.integrations.anomalib import unbounded

    own = UTAD("fast", overrides=SHORTEST, seed=0).fit(sorted((root / "bottle" / "train" / "good").iterdir()))
    count = 0
    for batch in predicted:
        for index, path in enumerate(batch.image_path):
            expected = own.predict(path)
            assert float(unbounded(batch.pred_score[index])) == pytest.approx(expected.pred_score, abs=1e-6)
            assert bool(batch.pred_label[index]) == expected.pred_label
            anomaly_map = unbounded(batch.anomaly_map[index]).numpy()
            np.testing.assert_allclose(anomaly_map, expected.anomaly_map, atol=1e-5)
            np.testing.assert_array_equal(batch.pred_mask[index].numpy(), expected.pred_mask)
            count += 1
    assert count == 6
    assert len({score for score in scores_of(predicted).values()}) > 2


def test_bounded_scores_keep_their_order_and_the_threshold():
    from utad.integrations.anomalib import bounded, unbounded

    scores = torch.tensor([-9.0, -0.5, 0.0, 0.5, 1.0, 1.5, 99.0, 1000.0])
    found = bounded(scores)
    # u = 2 s - 1 = -2, -1, 0, 1, 2 in the middle.
    assert found[1:6].tolist() == pytest.approx([1 / 6, 1 / 4, 1 / 2, 3 / 4, 5 / 6])
    assert bool((found.diff() > 0).all())
    assert 0 < float(found[0]) < float(found[-1]) < 1
    assert unbounded(found).tolist() == pytest.approx(scores.tolist(), rel=1e-3)


def test_test_images_change_nothing(root, trained, predicted, tmp_path):
    """anomalib's data module validates on the test images by default, and sets its own thresholds by them."""
    fabricate.mvtec_category(tmp_path / "bottle", n_train=8, n_good=3)
    for path in (tmp_path / "bottle" / "test").rglob("*.png"):
        fabricate.save(path, np.random.default_rng(0).integers(0, 256, (40, 48, 3), dtype=np.uint8))
    model, _ = fitted(tmp_path, tmp_path / "results")
    assert model.detector.threshold == trained[0].detector.threshold
    found = model.detector.predict(sorted((root / "bottle" / "test" / "good").iterdir()))
    good = [score for name, score in sorted(scores_of(predicted).items()) if name.startswith("good")]
    assert [one.pred_score for one in found] == pytest.approx(good, abs=1e-5)


def test_the_engine_measures_it(root, trained):
    model, runner = trained
    images = data.MVTecAD(root=root, category="bottle", eval_batch_size=5, num_workers=0)
    (metrics,) = runner.test(model, datamodule=images)
    assert {"image_AUROC", "image_F1Score", "pixel_AUROC", "pixel_F1Score"} <= set(metrics)
    own = model.detector.predict(sorted((root / "bottle" / "test").rglob("*.png")))
    bad = [one.pred_score for one in own[:2]] + [own[-1].pred_score]
    good = [one.pred_score for one in own[2:5]]
    pairs = [float(high > low) + 0.5 * float(high == low) for high in bad for low in good]
    assert metrics["image_AUROC"] == pytest.approx(np.mean(pairs))


def test_a_checkpoint_holds_the_model_file_and_no_code(trained, tmp_path):
    checkpoint = torch.load(trained[1].best_model_path, weights_only=True)
    path = tmp_path / "from_anomalib.safetensors"
    checkpoint["utad_detector"].numpy().tofile(path)
    image = fabricate.defective(seed=5)
    assert UTAD.load(path).predict(image).pred_score == trained[0].detector.predict(image).pred_score
    assert not [name for name in checkpoint["state_dict"] if name.startswith("model.")]


def test_a_damaged_checkpoint_is_refused(trained, tmp_path):
    from utad.integrations.anomalib import Utad

    checkpoint = torch.load(trained[1].best_model_path, weights_only=True)
    checkpoint["utad_detector"][-1000] ^= 1
    torch.save(checkpoint, tmp_path / "damaged.ckpt")
    with pytest.raises(ModelFileError, match="damaged"):
        Utad.load_from_checkpoint(tmp_path / "damaged.ckpt")


def test_a_checkpoint_of_no_training_loads_untrained(tmp_path):
    from utad.integrations.anomalib import Utad

    checkpoint: dict = {"state_dict": {}, "hyper_parameters": {}}
    Utad(overrides=SHORTEST).on_save_checkpoint(checkpoint)
    assert "utad_detector" not in checkpoint
    model = Utad(overrides=SHORTEST)
    model.on_load_checkpoint(checkpoint)
    with pytest.raises(NotFittedError, match=r"Utad is not trained: call Engine\.fit, or load a checkpoint"):
        model(torch.zeros(1, 3, 40, 48))


def test_a_torch_export_scores_images_of_any_size(trained, tmp_path):
    from utad.integrations.anomalib import unbounded

    model, runner = trained
    path = runner.export(model, export_type="torch", export_root=tmp_path)
    again = torch.load(path, weights_only=False)["model"].eval()
    for height, width in ((40, 48), (75, 33)):
        image = fabricate.defective(height, width, seed=5)
        expected = model.detector.predict(image)
        with torch.inference_mode():
            found = again(torch.from_numpy(image).permute(2, 0, 1)[None] / 255)
        assert float(unbounded(found.pred_score)) == pytest.approx(expected.pred_score, abs=1e-6)
        assert found.anomaly_map.shape == found.pred_mask.shape == (1, 1, height, width)


def test_what_trains_on_no_files_or_on_anomalous_images_is_refused():
    from utad.integrations.anomalib import Utad

    model, images = Utad(overrides=SHORTEST), torch.zeros(2, 3, 8, 8)
    with pytest.raises(DatasetError, match="got images without image_path"):
        model.training_step(data.ImageBatch(image=images))
    bad = data.ImageBatch(image=images, image_path=["a.png", "b.png"], gt_label=torch.tensor([0, 1]))
    with pytest.raises(DatasetError, match="got an anomalous image to train on"):
        model.training_step(bad)


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (("image.tile=64",), r"image.tile is set, and anomalib scores whole images"),
        (("image.align=translation",), r"image.align is set, and anomalib scores whole images"),
        (("image.letterbox=true",), r"image.letterbox is set, and anomalib scores whole images"),
        (("image.sise=3",), "unknown key"),
    ],
)
def test_settings_that_do_not_go_with_it_are_refused(overrides, words):
    from utad.integrations.anomalib import Utad

    with pytest.raises(ConfigError, match=words):
        Utad(overrides=overrides)
