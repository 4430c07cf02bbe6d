"""`report.html` of a run: what is in it, what it takes the place of, and what happens where it cannot be written."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests import fabricate
from tests.report.elements import Elements
from tests.training import tiny
from tests.training.test_fit import Killed, kill_at_save
from utad import UTAD
from utad.cli.app import app
from utad.errors import OutputError
from utad.output_folder import OutputFolder
from utad.report import training_page

TINY = (*tiny.SETTINGS, "scoring.method=paper", "scoring.space=pixels")
SETTINGS = [part for setting in TINY for part in ("--set", setting)]
PICTURE = re.compile(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]+")


def train(data: Path, output: Path, *more: object):
    command = ["train", data, "--output", output, "--no-graph", *SETTINGS, *more]
    return CliRunner().invoke(app, list(map(str, command)))


def page_of(run: Path) -> str:
    return (run / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def good(tmp_path_factory) -> Path:
    """Ten images, one of them a copy, beside a file that is no image and one of a format that is not read."""
    folder = tmp_path_factory.mktemp("data") / "gute teile"
    for index in range(9):
        fabricate.save(folder / f"teil<b>{index}.png", fabricate.picture(32, 64, seed=index, grey=True))
    (folder / "copy.png").write_bytes((folder / "teil<b>3.png").read_bytes())
    (folder / "bad & empty.png").write_bytes(b"")
    (folder / "IMG_1.HEIC").write_bytes(b"x")
    return folder


@pytest.fixture(scope="module")
def run(good, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("run") / "run"
    result = train(good, output, "--skip-bad")
    assert result.exit_code == 0, result.output
    assert f"report: {output / 'report.html'}" in result.stdout
    return output


def test_the_report_names_copies_and_what_was_left_out_and_shows_both_stages(run):
    elements = Elements(page_of(run))
    for words in ("gute teile", "10 images are few", "copy.png", "bad & empty.png", ".heic", "IE-Net: impression"):
        assert words.lower() in elements.text.lower()
    assert re.search(r"teil<b>3\.png\s*is a copy of\s*copy\.png", elements.text)
    assert "Expert-Net: reconstruction" in elements.text
    losses = {found["data-chart"] for _, found in elements.elements if "data-chart" in found}
    expected = {f"ie_net.{term}" for term in tiny.IE_TERMS} | {f"expert_net.{term}" for term in tiny.EXPERT_TERMS}
    assert losses == expected
    assert (run / "config.yaml").read_text(encoding="utf-8").strip() in elements.text
    assert "aspect-ratio: 64 / 32" in page_of(run)


def test_with_privacy_the_report_of_a_run_has_no_picture(good, tmp_path):
    result = train(good, tmp_path / "run", "--skip-bad", "--set", "explain.privacy=true")
    assert result.exit_code == 0, result.output
    assert not PICTURE.search(page_of(tmp_path / "run"))
    assert "explain.privacy=true" in page_of(tmp_path / "run")


def test_a_resumed_run_has_a_whole_report(good, run, tmp_path, monkeypatch):
    with monkeypatch.context() as killing:
        kill_at_save(killing, 2, after=True)
        with pytest.raises(Killed):
            train(good, tmp_path / "run", "--skip-bad")
    assert not (tmp_path / "run" / "report.html").exists()
    result = train(good, tmp_path / "run", "--skip-bad", "--resume")
    assert result.exit_code == 0, result.output

    def without_times(page: str) -> str:
        return re.sub(r"in \d+ s\.|steps(, \d+ s|, taken from its checkpoint)\.", "", page)

    assert without_times(page_of(tmp_path / "run")) == without_times(page_of(run))


def test_a_run_without_a_report_leaves_none_and_a_new_one_removes_that_of_before(good, tmp_path):
    assert train(good, tmp_path, "--skip-bad").exit_code == 0
    before = page_of(tmp_path)
    config = UTAD.load(tmp_path).config
    UTAD(config=config).fit(good, output=tmp_path, resume=True, skip_bad=True, graph=False)
    assert page_of(tmp_path) == before  # the same run
    UTAD(config=config).fit(good, output=tmp_path, replace=True, skip_bad=True, graph=False)
    assert not (tmp_path / "report.html").exists()


def test_a_report_that_cannot_be_written_leaves_the_model_and_says_so(good, tmp_path, monkeypatch):
    write = OutputFolder.write

    def full(self, name, writer):
        if name == "report.html":
            raise OutputError("cannot write report.html: No space left on device")
        write(self, name, writer)

    with monkeypatch.context() as failing:
        failing.setattr(OutputFolder, "write", full)
        result = train(good, tmp_path / "run", "--skip-bad")
    assert isinstance(result.exception, OutputError)  # one line, and exit code 1
    assert f"The model is finished, {tmp_path / 'run' / 'model.safetensors'}" in str(result.exception)
    assert UTAD.load(tmp_path / "run").config.image.size == 32
    result = train(good, tmp_path / "run", "--skip-bad", "--resume")
    assert result.exit_code == 0, result.output
    assert "Losses by stage" in page_of(tmp_path / "run")


def test_what_stands_in_the_place_of_the_report_is_kept(good, run, tmp_path):
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "report.html").write_text("mine", encoding="utf-8")
    result = train(good, mine, "--skip-bad")
    assert "holds report.html, which utad did not write" in str(result.exception)
    assert not (mine / "model.safetensors").exists()
    result = train(good, mine, "--skip-bad", "--no-report")
    assert result.exit_code == 0, result.output
    assert "report: " not in result.stdout
    assert page_of(mine) == "mine"
    # And the report of a run by the evaluation of it.
    before = page_of(run)
    labelled = fabricate.normal_abnormal(tmp_path / "labelled", n_normal=3, n_abnormal=2)
    command = ["evaluate", str(run), str(labelled), "--output", str(run)]
    refused = CliRunner().invoke(app, command)
    assert "holds report.html, which goes with the run in it" in str(refused.exception)
    assert CliRunner().invoke(app, [*command, "--no-report"]).exit_code == 0
    assert page_of(run) == before


def test_images_in_memory_have_a_report_without_a_folder():
    images = [fabricate.picture(32, 32, seed=index) for index in range(6)]
    detector = UTAD(overrides=[*TINY, "image.channels=auto"]).fit(images)
    page = training_page.training_page(detector.report_)
    assert "<h1>Training</h1>" in page
    assert "image 3" in Elements(page).text
    assert "at 32 x 32 pixels in colour" in page
    assert detector.report_.as_dict().keys() == {
        *("n_images", "n_held_out", "n_skipped", "seconds", "stage_seconds", "unusual")
    }
