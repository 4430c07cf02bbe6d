from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

from tests import fabricate
from tests.conftest import SHORTEST
from utad import UTAD
from utad.baselines.padim import PaDiM
from utad.data.catalog import open_category
from utad.errors import ConfigError, DataError, OutputError, TrainingError
from utad.evaluation.figure_plan import FigurePlan, plan_figures
from utad.evaluation.suites import suite_named
from utad.output_record import RECORD_NAME
from utad.report.figure_folder import figures_of_model, figures_of_suite

SETTINGS = (*SHORTEST, "padim.size=32")

ONE_STAGE = (
    *(
        f"{method}.{setting}"
        for method in ("ae-ssim", "skip-ganomaly")
        for setting in ("size=32", "steps=2", "width=4")
    ),
)


def plan_of(root: Path, **changes) -> FigurePlan:
    wanted = {"numbers": [5], "methods": ["utad", "padim"], "settings": SETTINGS, "images": 1} | changes
    return plan_figures(suite_named("mvtec"), root=root, categories=["bottle"], **wanted)


def whole_plan(root: Path, **changes) -> FigurePlan:
    return plan_of(root, **({"numbers": [5, 6, 8, 10], "settings": (*SETTINGS, *ONE_STAGE)} | changes))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    fabricate.mvtec_category(folder / "bottle")
    return folder


@pytest.fixture(scope="module")
def suite(root, tmp_path_factory):
    """Output, summary, and the cells that were run, of a small suite."""
    output, told = tmp_path_factory.mktemp("figures"), []
    return output, figures_of_suite(whole_plan(root), output, report=told.append), told


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != RECORD_NAME)


def labelled(parts):
    """A category of the folder `parts`, whose images are all test images."""
    opened = open_category(parts, split=False)
    return replace(opened, train=(), test=[*opened.train, *opened.test])


def test_a_suite_gets_its_figures_as_png_and_svg_with_an_index(suite):
    output, summary, _ = suite
    assert summary.failed == []
    assert [figure["number"] for figure in summary.figures] == [5, 6, 8, 10]
    stems = [f"figure-{number}__bottle" for number in (10, 5, 6, 8)]
    assert written(output) == sorted(
        [*(f"{stem}.{kind}" for stem in stems for kind in ("png", "svg")), "figure-8__bottle.html", "index.html"]
    )
    for stem in stems:
        with Image.open(output / f"{stem}.png") as picture:
            assert picture.width > 500
        assert (output / f"{stem}.svg").read_text(encoding="utf-8").startswith("<?xml")


def test_the_index_leads_to_every_file_and_says_how_images_were_chosen(suite):
    output, summary, _ = suite
    index = (output / "index.html").read_text(encoding="utf-8")
    links = {unquote(link) for link in re.findall(r'href="([^"]+)"', index)}
    assert links == set(written(output)) - {"index.html"}
    rule = summary.figures[0]["rule"]
    assert rule in index
    for name in summary.figures[0]["images"]:
        assert name in index
    assert summary.figures[0]["images"][-1].startswith("test/good/")
    assert "index.html" in (output / "figure-8__bottle.html").read_text(encoding="utf-8")


def test_trainings_are_kept_and_the_same_command_trains_nothing(suite, root):
    output, summary, told = suite
    assert [progress.cell.method for progress in told] == [
        *("utad", "padim", "ae-ssim", "skip-ganomaly", "without guidance"),
    ]
    assert [progress.done for progress in told] == [1, 2, 3, 4, 5]
    assert told[-1].seconds_left == 0
    before = {name: (output / name).read_bytes() for name in written(output)}
    begun, again = [], []
    repeated = figures_of_suite(whole_plan(root), output, begin=begun.append, report=again.append)
    assert again == []
    assert begun[0].seconds_left == 0
    assert repeated.as_dict() == summary.as_dict()
    # Nothing of time, chance or place in the files.
    assert {name: (output / name).read_bytes() for name in written(output)} == before


def test_a_stopped_command_says_what_is_kept_and_goes_on(suite, root):
    plan, output = whole_plan(root, numbers=[5, 6]), suite[0]
    for method in ("padim", "ae-ssim"):
        (output / "cells" / f"mvtec__bottle__{method}__0.npz").unlink()

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        figures_of_suite(plan, output, report=stop)
    assert caught.value.__notes__[-1] == f"3 of 4 cells are kept in {output / 'cells'}; the same command goes on"
    told = []
    assert figures_of_suite(plan, output, report=told.append).figures[1]["number"] == 6
    assert [progress.cell.method for progress in told] == ["ae-ssim"]


def test_findings_of_other_settings_and_files_of_others_are_left_alone(suite, root, tmp_path):
    with pytest.raises(OutputError, match="other settings"):
        figures_of_suite(whole_plan(root, limit=4), suite[0])
    mine = tmp_path / "out" / "figure-5__bottle.png"
    fabricate.save(mine, fabricate.picture())
    content = mine.read_bytes()
    with pytest.raises(OutputError, match="which utad did not write"):
        figures_of_suite(plan_of(root), tmp_path / "out")
    assert mine.read_bytes() == content
    with pytest.raises(OutputError, match="lies in the input"):
        figures_of_suite(plan_of(root), root / "out")


def test_a_wrong_setting_comes_out_before_anything_is_trained(root, tmp_path):
    with pytest.raises(ConfigError, match=r"padim: .*'width'"):
        figures_of_suite(plan_of(root, settings=[*SETTINGS, "padim.width=3"]), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_method_that_fails_leaves_a_gap_and_is_named(suite, root, monkeypatch):
    output = suite[0]
    (output / "cells" / "mvtec__bottle__padim__0.npz").unlink()

    def fail(self, images):
        raise TrainingError("no luck")

    monkeypatch.setattr(PaDiM, "learn", fail)
    summary = figures_of_suite(plan_of(root), output)
    assert [figure["number"] for figure in summary.figures] == [5]
    assert summary.failed == ["bottle, padim: no luck"]
    assert summary.failed[0] in (output / "index.html").read_text(encoding="utf-8")


def test_a_model_gives_the_figures_of_one_training_and_says_what_is_left_out(detector: UTAD, parts, tmp_path):
    summary = figures_of_model(detector, labelled(parts), tmp_path / "out", images=2)
    assert [figure["number"] for figure in summary.figures] == [7, 8]
    assert len(summary.figures[0]["images"]) == 3
    (left_out,) = summary.left_out
    assert left_out.startswith("figures 5, 6, 9 and 10 compare several trainings")
    assert left_out in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_a_model_gives_no_figure_of_several_trainings(detector: UTAD, parts, tmp_path):
    with pytest.raises(ConfigError, match="got figure 5: figures that compare trainings need a suite"):
        figures_of_model(detector, labelled(parts), tmp_path / "out", numbers=[5, 7])
    assert not (tmp_path / "out").exists()


def test_too_few_images_for_a_latent_map_leave_the_other_figures(detector: UTAD, parts, tmp_path):
    few = labelled(parts)
    few = replace(few, test=[*few.test[:2], *few.test[-2:]])
    summary = figures_of_model(detector, few, tmp_path / "out", images=1)
    assert [figure["number"] for figure in summary.figures] == [7]
    (line,) = summary.failed
    assert "got 4 images for a latent map, expected at least 5" in line
    with pytest.raises(DataError, match="expected at least 5"):
        figures_of_model(detector, few, tmp_path / "other", numbers=[8])
    assert written(tmp_path / "other") == [] if (tmp_path / "other").exists() else True
