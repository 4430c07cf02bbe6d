from __future__ import annotations

import os
import subprocess
import sys

import pytest

TWO_THEN_CTRL_C = """
import signal, sys
import numpy as np
from utad.loading import load_detector

signal.signal(signal.SIGINT, signal.default_int_handler)
image = np.full((48, 40, 3), 90, np.uint8)
detectors = [load_detector(sys.argv[1]) for _ in range(2)]
scores = {detector.predict(image).pred_score for detector in detectors}
detectors.pop(0)
detectors.pop()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    print(len(scores), "score, stopped")
"""


def test_a_signal_arrives_after_detectors_were_let_go_in_the_order_they_came(export):
    command = [sys.executable, "-c", TWO_THEN_CTRL_C, str(export("colour", "openvino"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, "1 score, stopped\n"), done.stderr


IN_A_CHILD = """
import multiprocessing, sys
import numpy as np
from utad.loading import load_detector

path, image = sys.argv[1], np.full((48, 40, 3), 90, np.uint8)


def in_a_child(method, work, detector):
    context = multiprocessing.get_context(method)
    answers = context.Queue()
    child = context.Process(target=work, args=(answers, detector))
    child.start()
    answer = answers.get(timeout=60)
    child.join(timeout=60)
    assert child.exitcode == 0, child.exitcode
    return answer


def score(answers, detector):
    answers.put(detector.predict(image).pred_score)


def look(answers, detector):
    answers.put(made_before.impression.tolist())


if __name__ == "__main__":
    detector = load_detector(path)
    expected = detector.predict(image).pred_score
    made_before, computed = detector.predict(image), detector.predict(image)
    for method in ("fork", "fork", "spawn"):
        assert in_a_child(method, score, detector) == expected
    assert in_a_child("fork", look, detector) == computed.impression.tolist()
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.parametrize("graph_format", ["openvino", "onnx"])
def test_a_child_of_a_process_that_has_scored_answers(export, graph_format, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(IN_A_CHILD, encoding="utf-8")
    command = [sys.executable, str(program), str(export("colour", graph_format))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
