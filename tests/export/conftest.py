from __future__ import annotations

import pytest
import torch

from tests import fabricate
from tests.conftest import TINY
from utad import UTAD
from utad.data import open_category
from utad.export.writing import export_detector
from utad.loading import load_detector

SMALL = (
    *TINY,
    "backbone.stages=[0,1]",
    "expert_net.residual_blocks=1",
    "expert_net.width=8",
    "ie_net.filters=[4,4]",
    "calibration.synthetic_anomalies=20",
    "ie_net.pools=[4,4]",
    "ie_net.decoder_filters=[4,4]",
    "ie_net.upsamples=[4,2]",
)


@pytest.fixture(scope="session")
def colour(parts):
    """Three channels, calibrated, with both kinds of feature distance."""
    torch.set_num_threads(1)
    return UTAD(overrides=SMALL).fit(parts)


@pytest.fixture(scope="session")
def grey():
    """One channel, the paper's layout without guidance, Eq. 8 as printed."""
    torch.set_num_threads(1)
    overrides = [*SMALL, "scoring.method=paper", "expert_net.layout=paper", "expert_net.guidance=false"]
    return UTAD(overrides=overrides).fit([fabricate.picture(seed=seed, grey=True) for seed in range(12)])


@pytest.fixture(scope="session")
def export(colour, grey, parts, tmp_path_factory):
    """Exports once, on demand: `export("grey", "onnx", "fp32")` is a folder."""
    folders = {}

    def make(name, graph_format, precision="fp32"):
        key = (name, graph_format, precision)
        if key not in folders:
            torch.set_num_threads(1)
            folders[key] = tmp_path_factory.mktemp("exports") / "für die linie"
            export_detector(
                {"colour": colour, "grey": grey}[name],
                folders[key],
                graph_format=graph_format,
                precision=precision,
                normal=open_category(parts).train if precision == "int8" else (),
            )
        return folders[key]

    return make


@pytest.fixture
def load(export):
    return lambda *arguments: load_detector(export(*arguments))
