from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tests.explained import explanation, result
from tests.report.elements import Elements
from utad.config import MaskConfig
from utad.scoring.decision import Decision

PICTURE = re.compile(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+")


def test_an_explanation_shows_image_map_shares_and_regions():
    made = explanation()
    html = made._repr_html_()
    elements = Elements(html)
    titles = [attributes["alt"] for tag, attributes in elements.elements if tag == "img"]
    assert titles == ["image x", "anomaly map, mask", "impression m", "naive impression m̂", "reconstruction x̂"]
    assert "score 0.900: anomalous, band fail" in elements.text
    assert "input-near +1.150, restored-whole -0.250" in elements.text
    (region,) = made.prediction.regions
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", html)
    assert cells == ["1", *map(str, region.box), str(region.area), f"{region.peak:.3f}", f"{region.mean:.3f}"]


def test_it_is_small_and_needs_nothing_and_names_are_text():
    html = explanation("</div><script>alert(1)</script>.png")._repr_html_()
    elements = Elements(html)
    assert "</div><script>alert(1)</script>.png" in elements.text
    assert {tag for tag, _ in elements.elements}.isdisjoint({"script", "style", "link", "html"})
    assert not re.search(r"https?:|//[a-z]", PICTURE.sub("", html))
    wide = np.random.default_rng(0).integers(0, 256, (3000, 2000, 3), np.uint8)
    made = explanation()
    large = replace(
        made.prediction,
        anomaly_map=np.ones((3000, 2000), np.float32),
        pred_mask=np.zeros((3000, 2000), bool),
        pictures=dict.fromkeys(made.prediction.pictures, wide),
    )
    assert len(replace(made, image=wide, prediction=large)._repr_html_()) < 400_000


def test_a_prediction_shows_itself_without_its_image():
    made = explanation().prediction
    elements = Elements(made._repr_html_())
    titles = [attributes["alt"] for tag, attributes in elements.elements if tag == "img"]
    assert titles == ["anomaly map", "impression m", "naive impression m̂", "reconstruction x̂"]
    assert "48 x 40 pixels" in elements.text
    normal = Decision(0.5, 0.8, MaskConfig()).of(replace(result(0.2), pictures={}))
    html = normal._repr_html_()
    assert "normal, band pass" in re.sub("<[^>]*>", "", html)
    assert html.count("<img") == 1
    assert "<table" not in html


def test_regions_beyond_the_first_are_counted():
    made = explanation().prediction
    several = replace(made, regions=made.regions * 8)
    assert "and 3 more" in several._repr_html_()


@pytest.mark.parametrize(
    ("shown", "drawn"), [("explanation()._repr_html_()", False), ("explanation()._repr_png_()", True)]
)
def test_drawing_leaves_the_state_of_pyplot_alone_and_only_a_figure_needs_matplotlib(shown, drawn):
    program = (
        "import sys\nfrom tests.explained import explanation\n"
        "import utad.interpret.figures, utad.interpret.explanation_figure, utad.report.notebook\n"
        "assert 'matplotlib' not in sys.modules, 'imported with the package'\n"
        f"assert {shown}\n"
        f"assert ('matplotlib' in sys.modules) is {drawn}\n"
        "assert not {'matplotlib.pyplot', 'IPython'}.intersection(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
