from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from utad.baselines.autoencoder import AEL2
from utad.baselines.departures import Departures, from_json
from utad.baselines.students import UninformedStudents
from utad.evaluation.methods import BASELINES, departures_named

TRAINED = [name for name in BASELINES if name not in ("padim", "patchcore")]


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_trained_less_than_its_source_is_called_simplified(name):
    departures = departures_named(name)
    assert departures.marked(name) == f"{name} (simplified)"
    assert departures.changes
    assert "Steps here: " in departures.sentence()
    assert f"Steps of the source: {departures.source_steps}." in departures.sentence()
    assert "{" not in departures.sentence()


@pytest.mark.parametrize("name", ["padim", "patchcore"])
def test_statistics_say_what_they_rest_on_and_have_no_steps(name):
    departures = departures_named(name)
    assert departures.marked(name) == name
    assert "EfficientNet-Lite0" in departures.sentence()
    assert "Steps" not in departures.sentence()


def test_utad_and_unknown_names_have_none():
    assert departures_named("utad") is None
    assert departures_named("AE-64") is None


def test_the_steps_and_settings_are_those_of_the_method():
    assert AEL2(steps=7, batch_size=3).departures().steps == "7 of 3 images"
    students = UninformedStudents(steps=9, width=16, patch=17, students=5, learning_rate=0.5).departures()
    assert students.steps == "9 of 4 images for the students, none for the teacher"
    sentence = students.sentence()
    for words in ("p = 17", "5 students of 16 instead of 128 filters", "learning rate 0.5 instead of 1e-4"):
        assert words in sentence


def test_a_sentence():
    departures = Departures(source="A et al., 2020", changes=("b", "c"), source_steps="9", steps="3")
    assert departures.sentence() == "A et al., 2020; here b; c. Steps here: 3. Steps of the source: 9."


def test_results_keep_them():
    departures = departures_named("efficientad-s")
    assert from_json(json.loads(json.dumps(asdict(departures)))) == departures
