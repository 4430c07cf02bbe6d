from __future__ import annotations

import hashlib
import io
import json
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tests import fabricate
from tests.serving.conftest import png
from utad.cli.app import app
from utad.errors import OutputError
from utad.serving.feedback import INDEX_NAME, feedback_folder

ABOUT = {"name": "teil.png", "model": "part", "version": 1, "pred_score": 0.7}
IMAGE = png(seed=5)
NAME = f"{hashlib.sha256(IMAGE).hexdigest()}.png"


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "rückmeldung"


@pytest.fixture
def store(folder):
    with feedback_folder(folder, models=(), limit=100_000) as opened:
        yield opened


@contextmanager
def keeping(client, store):
    """The application keeps what is marked, for the length of a block."""
    client.app.state.feedback = store
    try:
        yield store
    finally:
        client.app.state.feedback = None


@pytest.fixture
def kept(client, store):
    with keeping(client, store):
        yield store


def lines(folder) -> list[dict]:
    return [json.loads(line) for line in (folder / INDEX_NAME).read_text().splitlines()]


def files(folder) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/*"))


def marked(client, content: bytes, label: str, name: str = "teil.png"):
    return client.post(f"/v1/feedback?label={label}", files=[("images", (name, content, "image/png"))])


def test_a_marked_image_is_kept_under_its_digest_with_the_score_of_the_model(client, kept, folder):
    counted = client.get("/metrics").text
    answer = marked(client, IMAGE, "normal", "../../oben <b>.png")
    assert answer.json() == {"file": f"normal/{NAME}", "new": True}
    assert (folder / "normal" / NAME).read_bytes() == IMAGE
    (line,) = lines(folder)
    (scored,) = client.post("/v1/predict", content=IMAGE).json()["predictions"]
    assert line["name"] == "../../oben <b>.png"
    assert line["pred_score"] == pytest.approx(scored["pred_score"])
    assert {key: line[key] for key in ("file", "label", "model", "threshold")} == {
        "file": f"normal/{NAME}",
        "label": "normal",
        "model": "part",
        "threshold": scored["threshold"],
    }
    assert line["time"].endswith("+00:00")
    # What is scored for a mark is counted as a request, and not among the scores: one from each side of this line.
    total = 'utad_pred_score_count{model="part"}'
    before, after = (
        float(next(line for line in text.splitlines() if line.startswith(total)).split()[-1]) if total in text else 0.0
        for text in (counted, client.get("/metrics").text)
    )
    assert after == before + 1


@pytest.mark.parametrize(
    ("name", "ending"),
    [("PNG", ".png"), ("JPEG", ".jpg"), ("BMP", ".bmp"), ("TIFF", ".tif"), ("WEBP", ".webp"), ("PPM", ".ppm")],
)
def test_the_ending_is_that_of_the_true_format(store, name, ending):
    file = io.BytesIO()
    Image.fromarray(fabricate.picture(8, 8)).save(file, name)
    assert store.keep(file.getvalue(), "normal", ABOUT)[0].endswith(ending)


def test_a_photograph_of_several_pictures_is_a_jpeg(store):
    file = io.BytesIO()
    second = Image.fromarray(fabricate.picture(8, 8, seed=2))
    Image.fromarray(fabricate.picture(8, 8)).save(file, "MPO", save_all=True, append_images=[second])
    assert store.keep(file.getvalue(), "normal", ABOUT)[0].endswith(".jpg")


def test_the_same_image_twice_is_one_file_and_one_line(store, folder):
    assert store.keep(IMAGE, "anomalous", ABOUT) == (f"abnormal/{NAME}", True)
    assert store.keep(IMAGE, "anomalous", ABOUT) == (f"abnormal/{NAME}", False)
    assert files(folder) == [f"abnormal/{NAME}"]
    assert len(lines(folder)) == 1


def test_the_later_mark_counts(store, folder):
    store.keep(IMAGE, "anomalous", ABOUT)
    assert store.keep(IMAGE, "normal", ABOUT) == (f"normal/{NAME}", True)
    assert files(folder) == [f"normal/{NAME}"]
    assert [line["label"] for line in lines(folder)] == ["anomalous", "normal"]
    assert store.keep(IMAGE, "anomalous", ABOUT)[1]


def test_what_was_kept_is_known_to_the_next_server_and_a_torn_line_is_cut_off(folder):
    with feedback_folder(folder, models=(), limit=100_000) as first:
        first.keep(IMAGE, "normal", ABOUT)
    with (folder / INDEX_NAME).open("ab") as index:
        index.write(b'{"file": "normal/torn')
    with feedback_folder(folder, models=(), limit=100_000) as second:
        assert not second.keep(IMAGE, "normal", ABOUT)[1]
        second.keep(png(seed=6), "normal", ABOUT)
    assert 1 < len(lines(folder)) < 6


def test_a_damaged_image_is_refused_and_not_kept(client, kept, folder, tmp_path):
    for path in fabricate.damaged_files(tmp_path / "damaged").values():
        answer = marked(client, path.read_bytes(), "normal", path.name)
        assert answer.status_code == 422, path
        assert path.name in answer.json()["error"]
    assert files(folder) == []
    assert lines(folder) == [] if (folder / INDEX_NAME).exists() else True


def test_the_limit_is_kept_and_counts_what_was_there(client, folder):
    with feedback_folder(folder, models=(), limit=len(IMAGE) + 5000) as store, keeping(client, store):
        assert marked(client, IMAGE, "normal").status_code == 200
        answer = marked(client, png(seed=6), "normal")
        assert answer.status_code == 507
        assert "--feedback-limit" in answer.json()["error"]
        assert marked(client, IMAGE, "normal").json()["new"] is False
    with (
        feedback_folder(folder, models=(), limit=len(IMAGE) + 5000) as store,
        pytest.raises(OutputError, match="are allowed"),
    ):
        store.keep(png(seed=6), "anomalous", ABOUT)
    assert files(folder) == [f"normal/{NAME}"]


def test_marking_to_and_fro_ends_at_the_limit(folder):
    limit = 2 * len(IMAGE) + 12_000  # while it moves, the image is there twice
    about = {**ABOUT, "name": 255 * "\U0001f9f1"}

    def mark_to_and_fro(store) -> None:
        for number in range(40):
            store.keep(IMAGE, ("normal", "anomalous")[number % 2], about)

    with (
        feedback_folder(folder, models=(), limit=limit) as store,
        pytest.raises(OutputError, match="are allowed"),
    ):
        mark_to_and_fro(store)
    assert 1 < len(lines(folder)) < 6
    assert len(files(folder)) == 1
    assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) <= limit


def test_a_file_of_somebody_else_is_never_overwritten(store, folder):
    (folder / "normal").mkdir()
    (folder / "normal" / NAME).write_bytes(b"mine")
    with pytest.raises(OutputError, match="nothing is overwritten"):
        store.keep(IMAGE, "normal", ABOUT)
    assert (folder / "normal" / NAME).read_bytes() == b"mine"
    assert (folder / INDEX_NAME).read_bytes() == b"" if (folder / INDEX_NAME).exists() else True


def test_a_link_does_not_lead_out_of_the_folder(store, folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (folder / "normal").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="leads out of the output folder"):
        store.keep(IMAGE, "normal", ABOUT)
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("place", [".", "feedback", ".."])
def test_the_folder_lies_apart_from_the_models(run, place):
    for model in (run, run / "openvino", run / "model.safetensors"):
        with (
            pytest.raises(OutputError, match="Choose a folder apart"),
            feedback_folder((model if model.is_dir() else run) / place, models=[model], limit=1),
        ):
            pytest.fail("it is taken")


def test_another_server_cannot_take_the_folder(store, folder):
    with pytest.raises(OutputError, match="another run writes"), feedback_folder(folder, models=(), limit=1):
        pytest.fail("it is taken twice")


def test_a_server_without_a_folder_keeps_nothing_and_says_so(client):
    answer = marked(client, IMAGE, "normal")
    assert answer.status_code == 404
    assert "--feedback DIR" in answer.json()["error"]


def test_what_is_no_mark_is_refused(client, kept, folder):
    assert marked(client, IMAGE, "bad").status_code == 400
    two = [("images", (f"{index}.png", IMAGE, "image/png")) for index in range(2)]
    assert client.post("/v1/feedback?label=normal", files=two).status_code == 400
    assert client.post("/v1/feedback?label=normal&model=other", content=IMAGE).status_code == 404
    crossing = client.post("/v1/feedback?label=normal", content=IMAGE, headers={"origin": "https://evil.example"})
    assert crossing.status_code == 403
    assert client.post("/v1/feedback?label=normal", content=bytes(400_000)).status_code == 413
    assert files(folder) == []


def test_calibrate_reads_the_folder_as_it_is(graph, folder, tmp_path):
    export = shutil.copytree(graph, tmp_path / "export")
    with feedback_folder(folder, models=[export], limit=10**6) as store:
        for seed in range(40, 47):
            store.keep(png(seed=seed), "normal", ABOUT)
            store.keep(png(seed=seed, defective=True), "anomalous", ABOUT)
    before = json.loads((export / "manifest.json").read_text())["threshold"]
    outcome = CliRunner().invoke(app, ["calibrate", str(export), "--labelled", str(folder), "--json"])
    assert outcome.exit_code == 0, outcome.output
    said = json.loads(outcome.stdout)
    assert "7 normal and 7 anomalous images" in said["basis"]
    after = json.loads((export / "manifest.json").read_text())["threshold"]
    assert after == said["threshold"]
    assert np.isfinite(after)
    assert after != before
