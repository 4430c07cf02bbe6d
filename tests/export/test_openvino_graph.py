from __future__ import annotations

import subprocess
import sys

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
