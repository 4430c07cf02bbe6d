"""On two workers of a Ray on this computer."""

from __future__ import annotations

import csv
import json
import os
import signal

import pytest
from typer.testing import CliRunner

from measuring.ray_workers import workers_below
from tests import fabricate
from utad.cli.app import app
from utad.errors import ConfigError, InputError, UTADError
from utad.export.exported import ExportedDetector
from utad.integrations import ray as on_ray
from utad.integrations.ray import Cluster, predict_on_ray

pytest.importorskip("ray.data")
parquet = pytest.importorskip("pyarrow.parquet")

# Ray's own: files and processes of its that Python closes for it, and what it will do otherwise one day.
pytestmark = [
    pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning", "ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

COUNT = 40


@pytest.fixture(scope="module")
def two_workers():
    with on_ray._running(Cluster(workers=2)) as workers:
        yield workers


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images") / "für ray"
    for index in range(COUNT):
        make = fabricate.defective if index % 5 == 0 else fabricate.picture
        fabricate.save(folder / f"{index:02}.png", make(seed=index))
    (folder / "07.png").write_bytes((folder / "07.png").read_bytes()[:60])
    (folder / "08.png").write_bytes(b"")
    return folder


@pytest.fixture(scope="module")
def expected(run, images, tmp_path_factory):
    """The rows of the plain command."""
    output = tmp_path_factory.mktemp("plain")
    CliRunner().invoke(app, ["predict", str(run), str(images), "--output", str(output), "--save", "none"])
    with (output / "predictions.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def check(output, expected) -> None:
    rows = parquet.read_table(output / "predictions").to_pylist()
    assert list(rows[0]) == list(expected[0])
    assert [row["path"] for row in rows] == [row["path"] for row in expected]
    assert [row["pred_score"] for row in rows] == pytest.approx(
        [float(row["pred_score"]) for row in expected], abs=1e-4
    )
    for name in ("band", "pred_label"):
        assert [str(row[name]).lower() for row in rows] == [row[name] for row in expected]
    unread = (output / "unread.csv").read_text(encoding="utf-8").splitlines()
    assert [line.partition(",")[0] for line in unread] == ["path", "07.png", "08.png"]


def test_the_command_gives_the_rows_of_the_plain_one_and_names_what_cannot_be_read(
    two_workers, run, images, expected, tmp_path
):
    arguments = ["predict", str(run), str(images), "--engine", "ray", "--output", str(tmp_path / "out"), "--json"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 1, result.output
    summary = json.loads(result.stdout)
    assert (summary["n_images"], len(summary["failed"])) == (COUNT - 2, 2)
    check(tmp_path / "out", expected)


def test_urls_are_scored_as_files_are(two_workers, run, images, expected, tmp_path):
    graph = run / "openvino"
    predict_on_ray(ExportedDetector.load(graph, threads=1), graph, [f"file://{images}"], tmp_path / "out")
    check(tmp_path / "out", expected)


def test_interrupted_and_resumed_every_image_is_there_once(two_workers, run, images, expected, tmp_path, monkeypatch):
    graph, output = run / "openvino", tmp_path / "out"
    detector = ExportedDetector.load(graph, threads=1)
    add = on_ray.ShardFolder.add

    def interrupted(folder, rows):
        add(folder, rows)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(on_ray.ShardFolder, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            predict_on_ray(detector, graph, [str(images)], output, batch_size=1, shard_size=4)
    before = {file: file.stat().st_mtime_ns for file in (output / "predictions").iterdir()}
    assert 0 < len(before) < COUNT // 4
    predict_on_ray(detector, graph, [str(images)], output, batch_size=1, shard_size=4, resume=True)
    assert {file: file.stat().st_mtime_ns for file in before} == before
    check(output, expected)


def test_a_killed_worker_loses_and_repeats_nothing(two_workers, run, images, expected, tmp_path, monkeypatch):
    graph, killed = run / "openvino", []
    add = on_ray.ShardFolder.add

    def killing(folder, rows):
        add(folder, rows)
        if not killed:
            killed.extend(workers_below(os.getpid())[:1])
            for process in killed:
                os.kill(process, signal.SIGKILL)

    monkeypatch.setattr(on_ray.ShardFolder, "add", killing)
    detector = ExportedDetector.load(graph, threads=1)
    predict_on_ray(detector, graph, [str(images)], tmp_path / "out", batch_size=1, shard_size=10)
    assert killed
    check(tmp_path / "out", expected)


def test_an_error_of_a_worker_arrives_as_what_it_is(two_workers):
    exceptions = pytest.importorskip("ray.exceptions")
    with pytest.raises(InputError, match="too deep"), on_ray._own_errors():
        raise exceptions.RayTaskError("score", "traceback", InputError("too deep"))


def test_more_workers_than_cores_are_refused(two_workers, run, images, tmp_path):
    graph = run / "openvino"
    detector = ExportedDetector.load(graph, threads=1)
    with pytest.raises(ConfigError, match="3 workers for a Ray of 2 CPU cores"):
        predict_on_ray(detector, graph, [str(images)], tmp_path / "out", cluster=Cluster(workers=3))
    with pytest.raises(ConfigError, match="at least 1"):
        Cluster(workers=0)


def test_an_output_over_the_images_is_refused(run, images):
    arguments = ["predict", str(run), str(images), "--engine", "ray", "--output", str(images / "out")]
    assert isinstance(CliRunner().invoke(app, arguments).exception, UTADError)
