from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict

import pytest

from tests import fabricate
from utad.data.layouts.mvtec import MVTEC_CATEGORIES
from utad.errors import ConfigError, DatasetError, OutputError
from utad.evaluation.benchmark import Benchmark, lead_tables, rows_of, run_benchmark
from utad.evaluation.benchmark_cell import Cell, run_cell
from utad.evaluation.benchmark_runner import run_matrix
from utad.evaluation.methods import departures_named, variants_of
from utad.evaluation.suites import SUITES, suite_named
from utad.evaluation.tables import comparison_table
from utad.evaluation.variant import Variant
from utad.output_record import RECORD_NAME

PADIM = (Variant("padim", "padim", ("size=32",)),)


@pytest.fixture(scope="module")
def mvtec(tmp_path_factory):
    root = tmp_path_factory.mktemp("mvtec")
    for category in MVTEC_CATEGORIES:
        fabricate.mvtec_category(root / category)
    return root


@pytest.fixture(scope="module")
def report(mvtec, tmp_path_factory):
    output = tmp_path_factory.mktemp("benchmark")
    return output, run_benchmark(Benchmark(suite_named("mvtec"), PADIM, root=mvtec), output, jobs=0)


def test_the_whole_suite_of_mvtec_ad_runs_on_its_true_layout(report):
    output, outcome = report
    assert outcome.document["failures"] == []
    assert [cell["cell"]["category"] for cell in outcome.document["cells"]] == sorted(MVTEC_CATEGORIES)
    for cell in outcome.document["cells"]:
        assert 0 <= cell["evaluation"]["image"]["auroc"] <= 1
        assert 0 <= cell["evaluation"]["pixel"]["aupro"] <= 1
        assert cell["fit_seconds"] > 0
        assert cell["peak_memory_mb"] > 50
    assert json.loads((output / "results.json").read_text(encoding="utf-8")) == outcome.document


def test_results_say_what_they_rest_on(report):
    document = report[1].document
    assert document["licence"].startswith("CC BY-NC-SA 4.0")
    assert document["versions"]["torch"]
    assert document["machine"]["cores"] >= 1
    assert document["seeds"] == [0]


def test_tables_have_a_row_for_every_category_and_the_mean(report):
    output, outcome = report
    lines, below = (part.splitlines() for part in outcome.table.split("\n\n", 1))
    assert len(lines) == 2 + 15 + 1
    assert lines[-1].startswith("| mean | padim |")
    assert below[-1].startswith("- padim: Defard et al.")
    assert (output / "table.md").read_text(encoding="utf-8") == outcome.table + "\n"
    with (output / "table.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    values = [float(row["image.auroc mean"]) for row in rows]
    assert values[-1] == pytest.approx(sum(values[:-1]) / 15, abs=1e-5)


def test_leads_are_written_where_utad_and_others_are_there(report, mvtec, tmp_path):
    assert report[1].leads == ""
    assert not (report[0] / "leads.md").exists()
    settings = ("image.size=32", "ie_training.steps=0", "expert_training.steps=0", "scoring.components=[input]")
    variants = (*PADIM, Variant("utad", "utad", (*settings, "calibration.synthetic_anomalies=0")))
    outcome = run_benchmark(
        Benchmark(suite_named("mvtec"), variants, root=mvtec, categories=["bottle"]), tmp_path / "o", jobs=0
    )
    assert outcome.document["failures"] == []
    image, pixel = outcome.leads.split("\n\nAUPRO over the best of the others:\n\n")
    assert image.startswith("image AUROC over the best of the others:\n\n| category |")
    values = {cell["cell"]["method"]: cell["evaluation"]["pixel"]["aupro"] for cell in outcome.document["cells"]}
    assert f"| bottle | padim | {values['utad'] - values['padim']:+.3f} |" in pixel
    assert "**real defects, mean**" in pixel
    assert (tmp_path / "o" / "leads.md").read_text(encoding="utf-8") == outcome.leads + "\n"


def test_finished_cells_are_not_run_again(report, mvtec):
    output, outcome = report
    told = []
    again = run_benchmark(Benchmark(suite_named("mvtec"), PADIM, root=mvtec), output, jobs=0, report=told.append)
    assert told == []
    assert again.document["cells"] == outcome.document["cells"]


def test_a_stopped_run_says_what_is_kept_and_the_next_one_goes_on(mvtec, tmp_path):
    plan = Benchmark(suite_named("mvtec"), PADIM, root=mvtec, categories=["bottle", "cable"])

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as caught:
        run_benchmark(plan, tmp_path / "o", jobs=0, report=stop)
    kept = tmp_path / "o" / "cells"
    assert caught.value.__notes__ == [f"1 of 2 cells are done and kept in {kept}; the same command runs the rest"]
    told = []
    run_benchmark(plan, tmp_path / "o", jobs=0, report=told.append)
    assert [progress.cell.category for progress in told] == ["cable"]
    (tmp_path / "o" / RECORD_NAME).unlink()  # as if an earlier version had written it
    assert len(run_benchmark(plan, tmp_path / "o", jobs=0).document["cells"]) == 2


def test_results_of_other_settings_are_not_taken_for_these(report, mvtec):
    with pytest.raises(OutputError, match="other settings"):
        run_benchmark(Benchmark(suite_named("mvtec"), PADIM, root=mvtec, limit=2), report[0], jobs=0)


def cell(mvtec, **changes) -> Cell:
    values = {
        "overrides": ("size=32",),
        "suite": "mvtec",
        "dataset": "mvtec",
        "category": "bottle",
        "method": "padim",
        "base": "padim",
    }
    return Cell(**(values | {"seed": 0, "root": str(mvtec)} | changes))


def test_a_failure_is_recorded_and_the_rest_goes_on(mvtec, tmp_path):
    cells = [cell(mvtec, category="no such thing"), cell(mvtec)]
    told = []
    outcome = run_matrix(cells, tmp_path, jobs=2, report=told.append)
    assert [result["cell"]["category"] for result in outcome.results] == ["bottle"]
    ((failed, reason),) = outcome.failures
    assert failed == cells[0]
    assert "DatasetError" in reason
    assert "no such thing" in reason
    assert sorted((progress.done, progress.total) for progress in told) == [(1, 2), (2, 2)]


def test_a_process_of_its_own_gives_the_same_figures(mvtec, report, tmp_path):
    (apart,) = run_matrix([cell(mvtec)], tmp_path, jobs=1).results
    (here,) = (c for c in report[1].document["cells"] if c["cell"]["category"] == "bottle")
    assert apart["evaluation"]["image"] == here["evaluation"]["image"]
    assert apart["evaluation"]["pixel"] == pytest.approx(here["evaluation"]["pixel"], abs=1e-6)


def test_killed_and_run_again_it_repeats_nothing(mvtec, tmp_path):
    command = [sys.executable, "-c", "from utad.cli import main; main()", "benchmark", "mvtec", "--root", str(mvtec)]
    command += ["--methods", "padim", "--categories", "bottle,cable", "--limit", "6", "--output", str(tmp_path / "o")]
    first = tmp_path / "o" / "cells" / "mvtec__bottle__padim__0.json"
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not first.is_file() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    written = first.stat().st_mtime_ns
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert first.stat().st_mtime_ns == written
    assert "bottle padim" not in done.stderr
    assert done.stdout.count("| padim |") == 3


def test_the_number_of_images_can_be_limited(mvtec):
    result = run_cell(cell(mvtec, limit=4))
    assert result["n_train"] == 4
    assert result["evaluation"]["n_normal"] + result["evaluation"]["n_anomalous"] == 4


def test_mean_and_spread_over_seeds_and_categories():
    def stored(category, seed, auroc):
        evaluation = {"image": {"auroc": auroc}}
        return {"cell": {"category": category, "method": "padim", "seed": seed}, "evaluation": evaluation}

    document = {"cells": [stored("a", 1, 0.5), stored("a", 0, 0.7), stored("b", 0, 0.9), stored("b", 1, 1.0)]}
    rows = {row.category: row.values for row in rows_of(document)}
    assert rows["a"]["image.auroc"] == [0.7, 0.5]
    assert rows["mean"]["image.auroc"] == pytest.approx([0.8, 0.75])


def stored_cell(method: str, auroc: float, **more) -> dict:
    cell = {"category": "a", "method": method, "seed": 0}
    return {"cell": cell | more.pop("cell", {}), "evaluation": {"image": {"auroc": auroc}}, **more}


def test_departures_travel_in_the_results_and_are_shown(mvtec):
    overrides = ("size=32", "steps=2", "width=4")
    result = run_cell(cell(mvtec, method="AE", base="ae-l2", overrides=overrides, limit=4))
    assert result["departures"]["steps"] == "2 of 16 images"
    assert result["departures"]["source_steps"] == "200 epochs of 10000 patches"
    (row,) = rows_of({"cells": [json.loads(json.dumps(result))]})
    assert row.shown == "AE (simplified)"
    assert "Steps here: 2 of 16 images. Steps of the source: 200 epochs of 10000 patches." in comparison_table([row])


def test_results_that_lack_departures_take_them_from_the_registry():
    cells = [stored_cell("utad", 0.9), stored_cell("unst", 0.8), stored_cell("AE-64", 0.7, cell={"base": "ae-l2"})]
    rows = rows_of({"cells": cells})
    assert [row.shown for row in rows] == ["utad", "unst (simplified)", "AE-64 (simplified)"]
    assert rows[1].departures == departures_named("unst")
    # Those that results carry come first.
    other = {**asdict(departures_named("unst")), "steps": "17"}
    (row,) = rows_of({"cells": [stored_cell("unst", 0.8, departures=other)]})
    assert row.departures.steps == "17"
    (row,) = rows_of({"cells": [stored_cell("unst", 0.8, departures=None)]})
    assert row.shown == "unst"


def test_the_mean_and_the_leads_are_marked_too():
    cells = [
        stored_cell(method, auroc, cell={"category": category})
        for category in ("a", "b")
        for method, auroc in (("utad", 0.9), ("lsa", 0.8), ("unst", 0.7))
    ]
    rows = rows_of({"cells": cells})
    assert [row.shown for row in rows if row.category == "mean"] == ["utad", "lsa (simplified)", "unst (simplified)"]
    leads = lead_tables(rows, "real defects")
    assert "| a | lsa (simplified) | +0.100 |" in leads
    assert leads.splitlines()[-1].startswith("- lsa (simplified): Abati et al.")


def test_a_variant_of_utad_is_no_rival_of_it():
    untrained = stored_cell("networks never trained", 0.95, cell={"base": "utad"})
    cells = [stored_cell("utad", 0.9), untrained, stored_cell("padim", 0.8, cell={"base": "padim"})]
    assert "| padim | +0.100 |" in lead_tables(rows_of({"cells": cells}), "real defects")


def test_unknown_names_are_named():
    with pytest.raises(ConfigError, match="unknown method gan: choose from utad, padim"):
        variants_of(["gan"])
    with pytest.raises(ConfigError, match="unknown suite 'imagenet'"):
        suite_named("imagenet")
    with pytest.raises(ConfigError, match="has no category x"):
        Benchmark(SUITES["textures"], PADIM, categories=["x"]).cells()


def test_a_suite_without_its_data_says_what_to_get_and_where_to_put_it(tmp_path):
    with pytest.raises(ConfigError, match=r"get it from https://www\.mvtec\.com.*--root DIR"):
        SUITES["mvtec"].categories()
    with pytest.raises(DatasetError, match="download it from"):
        SUITES["mvtec"].categories(tmp_path)


def test_one_class_suites_follow_the_paper():
    for name in ("mnist-5k", "mnist", "fashion-mnist", "cifar10"):
        assert SUITES[name].size == 64
    assert [category for _, category in SUITES["mnist-5k"].categories()] == [str(digit) for digit in range(10)]
    assert SUITES["textures"].categories() == (("textures", "brick"), ("textures", "grass"), ("textures", "gravel"))
    assert SUITES["elpv"].categories() == (("elpv-mono", "elpv-mono"), ("elpv-poly", "elpv-poly"))


def test_a_folder_is_a_suite_of_one(tmp_path):
    fabricate.normal_abnormal(tmp_path / "parts")
    ((dataset, category),) = SUITES["folder"].categories(tmp_path / "parts")
    images = SUITES["folder"].open(dataset, category, root=tmp_path / "parts", seed=0)
    assert images.name == "parts"
    assert any(sample.anomalous for sample in images.test)


def test_a_region_is_refused_beside_methods_that_have_none(mvtec, tmp_path):
    regional = Variant("left half", "utad", ("image.roi=[0, 0, 0.5, 1]",))
    plan = Benchmark(suite_named("mvtec"), (regional, *PADIM), root=mvtec)
    with pytest.raises(ConfigError, match="set for left half, and padim have no region of interest"):
        run_benchmark(plan, tmp_path / "out", jobs=0)
    assert len(Benchmark(suite_named("mvtec"), (regional,), root=mvtec, categories=["bottle"]).cells()) == 1


def test_class_folders_are_a_suite_of_their_classes(tmp_path):
    root = fabricate.class_folders(tmp_path / "animals", ("cat", "dog"))
    suite = suite_named("class-folders")
    assert suite.size == 64
    assert suite.categories(root) == ((str(root), "cat"), (str(root), "dog"))
    plan = Benchmark(suite, PADIM, root=root, categories=["dog"])
    (cell,) = run_benchmark(plan, tmp_path / "out", jobs=0).document["cells"]
    assert (cell["n_train"], cell["evaluation"]["n_normal"], cell["evaluation"]["n_anomalous"]) == (4, 2, 2)
    assert 0 <= cell["evaluation"]["image"]["auroc"] <= 1
    with pytest.raises(ConfigError, match="--root DIR"):
        suite.categories()
