from __future__ import annotations

import pytest
import yaml

from tests.products.conftest import REPORT
from utad.errors import OutputError
from utad.products.folder import ProductFolder, data_of
from utad.products.index import read_index


def finish(folder: ProductFolder, name: str) -> None:
    (folder.directory / name).mkdir(exist_ok=True)
    (folder.directory / name / "model.safetensors").touch()
    folder.finish(name, threshold=0.5, seconds=2.5, data=data_of(REPORT))


def test_each_change_is_on_disk(folder_of, output, statuses):
    with folder_of() as folder:
        assert statuses() == {"bottle": "waiting", "cable": "waiting"}
        folder.begin("bottle")
        assert statuses() == {"bottle": "training", "cable": "waiting"}
        finish(folder, "bottle")
        folder.fail("cable", "no images")
        bottle, cable = read_index(output / "index.json").products
    assert (bottle.status, bottle.threshold, bottle.seconds) == ("trained", 0.5, 2.5)
    assert (bottle.preset, bottle.seed) == ("fast", 0)
    assert bottle.data.model_dump() == {
        **{"layout": "flat", "n_images": 7, "n_skipped": 1, "n_outliers": 1, "left_out": ("1 hidden",)},
    }
    assert (cable.status, cable.error, cable.data) == ("failed", "no images", None)
    assert yaml.safe_load((output / "settings.yaml").read_text(encoding="utf-8"))["preset"] == "fast"


def test_resuming_keeps_what_is_trained_and_takes_up_what_failed_and_what_is_new(folder_of, output, statuses):
    with folder_of() as folder:
        finish(folder, "cable")
        folder.fail("bottle", "no images")
    with folder_of(["bottle", "cable", "screw"], resume=True) as folder:
        assert folder.waiting() == ["bottle", "screw"]
        assert statuses() == {"bottle": "waiting", "cable": "trained", "screw": "waiting"}
    with folder_of(["screw"], resume=True) as folder:
        assert statuses() == {"screw": "waiting", "cable": "trained"}  # whose images are gone, and not its detector
    (output / "cable" / "model.safetensors").unlink()
    with folder_of(["cable"], resume=True) as folder:
        assert folder.waiting() == ["cable"]


def test_an_index_is_replaced_by_nothing_and_resumed_by_the_same_alone(folder_of):
    with folder_of() as folder:
        folder.fail("bottle", "no images")
    with pytest.raises(OutputError, match=r"already holds an index of detectors.*--resume"), folder_of():
        pass
    with pytest.raises(OutputError, match="holds another run: its settings differ"), folder_of(resume=True, seed=1):
        pass


def test_files_that_are_not_ours_are_kept(folder_of, output):
    (output / "bottle").mkdir(parents=True)
    (output / "bottle" / "train.log").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match=r"holds bottle/train\.log, which utad did not write"), folder_of():
        pass
    assert (output / "bottle" / "train.log").read_text(encoding="utf-8") == "mine"
    assert not (output / "index.json").exists()


def test_a_product_called_as_the_index_is_refused(folder_of):
    with pytest.raises(OutputError, match=r"a product is called index\.json"), folder_of(["index.json"]):
        pass


def test_what_stops_the_command_says_how_to_go_on(folder_of, output, statuses):
    def stop() -> None:
        with folder_of() as folder:
            finish(folder, "bottle")
            folder.begin("cable")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        stop()
    assert caught.value.__notes__ == [
        f"1 of 2 detectors are trained, in {output}; the same command with --resume goes on"
    ]
    assert statuses() == {"bottle": "trained", "cable": "interrupted"}
