"""Compiles the client in C++ and compares its scores with those of the Python API.

    python benchmarks/cpp_client.py EXPORT... --images FOLDER

Needs g++. Headers and libraries of OpenVINO are those of the installed Python package. Prints JSON, and exits
with 1 where a score differs by more than 0.01 %, of the score or of 1, or a label differs.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from PIL import Image

from utad.data.reading import load_image
from utad.export.exported import ExportedDetector
from utad.inputs import iterate_samples

SOURCE = Path(__file__).resolve().parent.parent / "deploy" / "clients" / "score.cpp"
FLAGS = ("-std=c++17", "-O2", "-Wall", "-Wextra", "-Werror")
TOLERANCE = 1e-4
"""Python may score through another runtime than the client, and with other threads."""


@dataclass(frozen=True)
class Scored:
    """What is said of an image."""

    score: float
    anomalous: bool


def compile_client(program: Path) -> None:
    """Writes the client to a file that can be run."""
    spec = find_spec("openvino")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    libraries = package / "libs"
    (library,) = libraries.glob("libopenvino.so.*")
    where = ["-isystem", f"{package / 'include'}", f"-L{libraries}", f"-l:{library.name}", f"-Wl,-rpath,{libraries}"]
    subprocess.run(["g++", *FLAGS, SOURCE, *where, "-o", program], check=True)


def by_client(program: Path, graph: Path, threshold: float, images: Sequence[Path]) -> list[Scored]:
    """What the client says of images in the form of PPM."""
    done = subprocess.run([program, graph, repr(threshold), *images], check=True, capture_output=True, text=True)
    return [
        Scored(float(score), label == "anomalous")
        for score, label, _ in (line.split(maxsplit=2) for line in done.stdout.splitlines())
    ]


def compare(program: Path, export: Path, images: Path, place: Path) -> dict[str, Any]:
    """The scores of both.

    Args:
        program: the compiled client.
        export: an exported folder.
        images: a folder of them.
        place: for copies that the client reads.
    """
    detector = ExportedDetector.load(export)
    samples = list(iterate_samples(images))
    pixels = [load_image(sample) for sample in samples]
    copies = [place / f"{number}.ppm" for number in range(len(pixels))]
    for image, copy in zip(pixels, copies, strict=True):
        Image.fromarray(image).save(copy)
    (graph,) = [path for path in export.iterdir() if path.suffix in (".xml", ".onnx")]
    ours = [Scored(one.pred_score, one.pred_label) for one in detector.predict(samples)]
    theirs = by_client(program, graph, detector.threshold, copies)
    differences = [abs(a.score - b.score) / max(abs(a.score), 1.0) for a, b in zip(ours, theirs, strict=True)]
    return {
        "graph": graph.name,
        "images": len(samples),
        "anomalous": sum(one.anomalous for one in ours),
        "largest_difference": max(differences),
        "labels_flipped": sum(a.anomalous != b.anomalous for a, b in zip(ours, theirs, strict=True)),
    }


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("exports", type=Path, nargs="+", metavar="EXPORT")
    parser.add_argument("--images", type=Path, required=True, help="8 bits each")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        compile_client(place / "score")
        found = [compare(place / "score", export, arguments.images, place) for export in arguments.exports]
    print(json.dumps(found, indent=1))
    good = all(one["largest_difference"] <= TOLERANCE and not one["labels_flipped"] for one in found)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
