from __future__ import annotations

import pytest

import parity
from tests.export.conftest import SMALL
from utad import UTAD
from utad.data import open_category
from utad.evaluation.evaluate import evaluate_method
from utad.export.writing import TOLERANCE


def test_an_export_stands_beside_the_detector_it_was_made_of(parts, tmp_path, monkeypatch):
    monkeypatch.setattr(parity, "FORMATS", (("openvino", "fp32"), ("openvino", "int8")))
    category = open_category(parts)
    found = parity.measure(category, "fast", SMALL, tmp_path)
    expected = evaluate_method(UTAD("fast", overrides=SMALL).fit(category), category)
    assert found["image_auroc"] == pytest.approx(expected.image.auroc, abs=1e-4)
    assert (found["n_images"], found["n_anomalous"]) == (len(category.test), 4)
    exact, rough = found["exports"]["openvino-fp32"], found["exports"]["openvino-int8"]
    assert exact["score"] < TOLERANCE < rough["score"]
    assert exact["labels_flipped"] == 0
    assert exact["image_auroc"] == found["image_auroc"]
    assert exact["images"] == f"{len(category.test)} test images"
