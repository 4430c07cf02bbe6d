from __future__ import annotations

import json

from tests.cli.test_commands import utad


def test_doctor_says_what_a_model_is_and_how_to_measure_it(run):
    result = utad("doctor", run)
    assert result.exit_code == 0, result.output
    assert "efficientnet_lite0 at 64 x 64 pixels" in result.stdout
    assert "--normal FOLDER" in result.stdout
    found = json.loads(utad("doctor", run, "--json").stdout)
    assert found["smallest_defect"] is None
    assert found["normal_scores"] > 0


def test_doctor_measures_the_smallest_defect(run, parts):
    arguments = ("doctor", run, "--normal", parts / "normal", "--sizes", "4,20", "--contrasts", "90", "--images", "3")
    result = utad(*arguments, "--json")
    assert result.exit_code == 0, result.output
    measured = json.loads(result.stdout)["smallest_defect"]
    # Four of the images of the folder were kept from the training; those are taken.
    assert (measured["trained_on"], measured["n_images"]) == (False, 3)
    assert {(one["shape"], one["size"], one["contrast"]) for one in measured["recalls"]} >= {
        ("spot", 4.0, 0.9),
        ("spot", 20.0, 0.9),
    }
    text = utad(*arguments).stdout
    assert "spot, diameter     90%  contrast" in text
    assert "9 of 10 from" in text


def test_doctor_refuses_what_goes_with_no_model(run):
    assert utad("doctor", "--normal", "x").exit_code == 2
    assert utad("doctor", run, "--normal", "nowhere").exit_code == 1
    idle = utad("doctor", run, "--sizes", "4")
    assert idle.exit_code == 2
    assert "goes with --normal alone" in idle.output
    assert utad("doctor", "--images", "4").exit_code == 2
    refused = utad("doctor", run, "--normal", "x", "--sizes", "4,x")
    assert refused.exit_code == 2
    assert "got x, expected numbers such as 8,16,32" in refused.output
