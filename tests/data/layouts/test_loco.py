from __future__ import annotations

import numpy as np
import pytest

from tests import fabricate
from utad.data.folder import open_folder
from utad.data.reading import load_mask
from utad.errors import DatasetError


def test_validation_trains_and_several_masks_add_up(tmp_path):
    category = open_folder(fabricate.loco_category(tmp_path / "juice"))
    assert [sample.name.split("/")[0] for sample in category.train] == ["train"] * 4 + ["validation"] * 2
    masks = {sample.name: load_mask(sample, (40, 48)) for sample in category.test}
    assert masks["test/logical_anomalies/000.png"].sum() == 100 + 20
    assert masks["test/logical_anomalies/001.png"].sum() == 100
    assert masks["test/good/000.png"].sum() == 0


def test_what_does_not_fit_is_named_where_masks_are_wanted(tmp_path):
    folder = fabricate.loco_category(tmp_path / "juice")
    truth = folder / "ground_truth" / "structural_anomalies"
    (truth / "001" / "000.png").unlink()
    (truth / "001").rmdir()
    fabricate.save(truth / "009" / "000.png", fabricate.square_mask())
    fabricate.save(truth / "000" / "001.png", np.zeros((9, 9), np.uint8))
    with pytest.raises(DatasetError, match="3 inconsistencies") as caught:
        open_folder(folder)
    for part in ("structural_anomalies/001.png has no mask", "009 holds masks of no image", "000/001.png is 9 x 9"):
        assert part in str(caught.value)
    assert len(open_folder(folder, masks=False).train) == 6
