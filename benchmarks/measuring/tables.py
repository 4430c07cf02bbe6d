"""The tables of docs/performance.md, from the results of the scripts beside this folder; docs/render.py places them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from utad.evaluation.tables import markdown_line

RUNTIMES = {"onnx": "ONNX", "openvino": "OpenVINO"}


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; the values of a column whose name ends with a colon stand on the right."""
    rule = ["---:" if column.endswith(":") else "---" for column in columns]
    return [markdown_line(row) for row in ([column.removesuffix(":") for column in columns], rule, *rows)]


def targets(document: dict[str, Any]) -> str:
    """The targets of `benchmarks/speed.py`, `benchmarks/other_libraries.py` or `benchmarks/parity.py`."""
    rows = []
    for row in document["targets"]:
        measured = "not measured" if row["measured"] is None else f"{row['measured']:.4g} {row['unit']}".strip()
        rows.append([row["figure"], row["target"], measured, {True: "yes", False: "no"}.get(row["met"], "–")])
    return "\n".join([*table(["figure", "target:", "measured:", "met"], rows), "", provenance(document)])


def speed_parts(document: dict[str, Any]) -> str:
    """The parts of scoring and training, of `benchmarks/speed.py`."""
    columns = ["part", "ms per image:", "quartiles:", "repetitions:", "million multiply-adds:"]
    lines = []
    for preset, entry in document["presets"].items():
        steps = entry["training"]
        modes = {f"scoring, batch {batch}": scoring for batch, scoring in entry["scoring"].items()}
        for title, mode in {**modes, f"training, {steps['precision']}, batch {steps['batch']}": steps}.items():
            lines += [
                f"**`{preset}`, {title}**: {mode['multiply_adds_per_second'] / 1e9:.0f} billion multiply-adds per "
                f"second in the GEMM, peak memory {mode['peak_memory_mb']:.0f} MB.",
                "",
                *table(
                    [*columns, "roofline, ms:", "over roofline:"],
                    [part_cells(name, part) for name, part in mode["parts"].items()],
                ),
                "",
            ]
    return "\n".join([*lines, provenance(document)])


def part_cells(name: str, part: dict[str, Any]) -> list[str]:
    """The row of one part; without multiply-adds there is no roofline."""
    count = part["multiply_adds"]
    arithmetic = [f"{count / 1e6:.1f}", f"{part['roofline_ms']:.2f}", f"{part['ratio']:.2f}"] if count else ["–"] * 3
    return [name, *_milliseconds(part, digits=2), str(part["n"]), *arithmetic]


def speed_whole(document: dict[str, Any]) -> str:
    """Folders, memory, training, routes and the start of the command, of `benchmarks/speed.py`."""
    batch = document["batch_16"]
    lines = [line for preset, entry in document["presets"].items() for line in _preset_lines(preset, entry)]
    if batch["multiply_adds_per_second"]:
        rate = batch["multiply_adds_per_second"] / 1e9
        lines.append(f"- The GEMM, in turns with the routes: {rate:.0f} billion multiply-adds per second.")
    columns = ["route", "one image, ms:", "quartiles:", "batch 16, ms per image:", "quartiles:", "over roofline:"]
    columns += ["`utad predict`, whole process, s:", "range:"]
    before = document.get("before")
    earlier: tuple[tuple[str, str, int], ...] = ()
    if before:
        columns += [f"before ({before['commit'][:10]}), one image, ms:", "before, batch 16:", "before, process, s:"]
        earlier = (("latency", "median_ms", 1), ("batch_16", "median_ms", 1), ("start_up", "median_s", 2))
    rows = []
    for name, latency in document["latency"].items():
        start, together = document["start_up"][name], batch["runtimes"].get(name)
        of_batch = [*_milliseconds(together), f"{together['ratio']:.2f}"] if together else ["–"] * 3
        row = [name, *_milliseconds(latency), *of_batch]
        row += [f"{start['median_s']:.2f}", "{:.2f} to {:.2f}".format(*start["range_s"])]
        row += [
            f"{before[part][name][key]:.{digits}f}" if before and name in before[part] else "–"
            for part, key, digits in earlier
        ]
        rows.append(row)
    return "\n".join([*lines, "", *table(columns, rows), "", provenance(document)])


def _preset_lines(preset: str, entry: dict[str, Any]) -> list[str]:
    """What was measured of a preset as a whole."""
    lines = []
    for key, route in (("folder", ""), ("folder_torch", ", scored in PyTorch")):
        if key in entry:
            folder = entry[key]
            lines.append(
                f"- `{preset}`, a folder of {folder['images']:,} JPEG{route}: {folder['images_per_second']:.1f} images "
                f"per second ({folder['range'][0]:.1f} to {folder['range'][1]:.1f} in {folder['n']} runs)."
            )
    if "export_seconds" in entry:
        export = entry["export_seconds"]
        lines.append(
            f"- `{preset}`, what the graph adds to training: {export['median_s']:.1f} s "
            f"({export['range_s'][0]:.1f} to {export['range_s'][1]:.1f} in {export['n']} runs)."
        )
    if "memory_growth" in entry:
        images, peaks = entry["memory_growth"]["images"], entry["memory_growth"]["peak_memory_mb"]
        shown = (f"{peak:.0f} MB for {count:,} images" for peak, count in zip(peaks, images, strict=True))
        lines.append(f"- `{preset}`, peak memory: {', '.join(shown)}.")
    if "training_run" in entry:
        run = entry["training_run"]
        minutes = f"{run['seconds'] / 60:.1f} minutes"
        lines.append(f"- `{preset}`, training on {run['data']}, {run['images']} images: {minutes}.")
    return lines


def _milliseconds(timing: dict[str, Any], *, digits: int = 1) -> list[str]:
    low, high = timing["quartiles_ms"]
    return [f"{timing['median_ms']:.{digits}f}", f"{low:.{digits}f} to {high:.{digits}f}"]


def busy(document: dict[str, Any]) -> str:
    """Training beside other busy processes, of `benchmarks/busy.py`, with its heading: the section may be missing."""
    rows = [
        [
            variant,
            case,
            f"{timed['median_s']:.1f}",
            "{:.1f} to {:.1f}".format(*timed["range_s"]),
            f"{timed['ratio']:.2f}",
        ]
        for variant, cases in document["variants"].items()
        for case, timed in cases.items()
    ]
    lines = [
        "## Beside another busy process",
        "",
        f"`{document['command']}` as a whole process with {document['threads']} threads, alone and beside processes "
        "that each keep one core busy. All cases take turns.",
        "",
        *table(["environment", "busy processes", "seconds:", "range:", "over alone:"], rows),
    ]
    return "\n".join([*lines, "", provenance(document)])


def load(document: dict[str, Any]) -> str:
    """What a server sustains, and what serving adds to the predictor, of `benchmarks/load.py`, with its heading."""
    single = document["overhead"]
    beside = []
    if "anomalib" in document:
        beside = [
            "anomalib's OpenVINO inferencer behind the same route, with PaDiM and ResNet-18 at 256 px, one request at "
            "a time on all cores, which is how a compiled model of OpenVINO is called:",
            "",
            *_sustained(document["anomalib"]),
            "",
        ]
    lines = [
        "## Serving",
        "",
        f"`utad serve` with {document['workers']} workers. Clients on the same machine send JPEG of 300 x 300 and wait "
        f"for their answer before they send again, for {document['seconds']:g} s in each row; latency in ms.",
        "",
        *_sustained(document["served"]),
        "",
        *beside,
        f"One image at a time, with one worker of {single['threads']} threads and in turns with the predictor on as "
        f"many: {single['served']['median_ms']:.1f} ms served, {single['predictor']['median_ms']:.1f} ms by the "
        f"predictor (medians of {single['served']['n']}). Serving adds {single['overhead_ms']:.1f} ms.",
        "",
        targets(document),
    ]
    return "\n".join(lines)


def _sustained(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    shown = [
        [
            str(row["images_per_request"]),
            str(row["clients"]),
            f"{row['requests_per_second']:.1f}",
            f"{row['images_per_second']:.1f}",
            *("–" if row[key] is None else f"{row[key]:.0f}" for key in ("p50_ms", "p95_ms", "p99_ms")),
            str(row["n"]),
            str(sum(row["failed"].values())),
        ]
        for row in rows
    ]
    columns = ["images a request:", "clients:", "requests a second:", "images a second:"]
    return table([*columns, "p50:", "p95:", "p99:", "answered:", "failed:"], shown)


def small_install(document: dict[str, Any]) -> str:
    """What an installation without PyTorch takes and does, of `benchmarks/small_install.py`."""
    sizes = [
        ["`utad`" if extra == "none" else f"`utad[{extra}]`", str(entry["packages"]), str(entry["megabytes"])]
        for extra, entry in document["installed"].items()
    ]
    largest = ", ".join(f"{name} {size} MB" for name, size in document["installed"]["none"]["largest"].items())
    commands = [
        [f"`{name}`", str(done["exit_code"]), done["error"] or "–"] for name, done in document["commands"].items()
    ]
    everything = ["`.[dev]`, everything", "–", str(document["whole_megabytes"])]
    return "\n".join(
        [
            *table(["installed", "packages:", "MB:"], [*sizes, everything]),
            "",
            "MB are those of the whole virtual environment, pip included (`du -sm`). The largest in `utad`: "
            f"{largest}.",
            "",
            f"{document['images']} images have the scores there that they have in the whole installation, with a "
            f"largest difference of {document['largest_difference']:.1g}. The process that scored them, with the "
            f"preset `fast` and one thread, took {document['peak_memory_mb']} MB at its peak. Commands in `utad`:",
            "",
            *table(["command", "exit code:", "error"], commands),
            "",
            f"Commit {str(document['commit'])[:10]}. Produced by `python benchmarks/small_install.py`.",
        ]
    )


def upsampled_conv(document: dict[str, Any]) -> str:
    """What one transposed convolution saves in training, of `benchmarks/experiments/upsampled_conv.py`."""
    steps, stages = document["steps"], document["stages"]
    rows = [
        [stage, str(steps[stage]), *(f"{timed[form]:.1f}" for form in ("joined", "apart"))]
        for stage, timed in stages.items()
    ]
    joined, apart = (sum(steps[stage] * stages[stage][form] for stage in stages) for form in ("joined", "apart"))
    lines = table(
        ["stage", "steps:", "one transposed convolution, ms per image:", "enlarged first, ms per image:"], rows
    )
    lines += ["", f"Enlarging first, all training steps together take {100 * (apart / joined - 1):.0f} % longer."]
    return "\n".join([*lines, "", f"Grey images, batch {document['batch']}. {provenance(document)}"])


def other_libraries(document: dict[str, Any]) -> str:
    """The methods of `benchmarks/other_libraries.py`, the fastest first."""
    rows = []
    for name, method in sorted(document["methods"].items(), key=lambda item: float(item[1]["median_ms"])):
        shown = f"utad `{method['preset']}`, {method['runtime']} {method['precision']}" if "preset" in method else name
        rows.append([shown, *_milliseconds(method), str(method["n"])])
    lines = table(["method", "ms per image:", "quartiles:", "repetitions:"], rows)
    lines += ["", f"{document['note']} anomalib {document['other_versions']['anomalib']}. {provenance(document)}"]
    failures = document["failures"]
    if failures:
        lines += ["", "Failed: " + "; ".join(f"{name} ({reason})" for name, reason in failures.items()) + "."]
    return "\n".join(lines)


def parity(document: dict[str, Any]) -> str:
    """Every export beside the detector it was made of, of `benchmarks/parity.py`."""
    rows = []
    for category, measured in document["categories"].items():
        images = f"{category}, {measured['n_images']}"
        rows.append([images, "eager fp32", "", "", "", "", f"{measured['image_auroc']:.4f}"])
        for name, export in measured["exports"].items():
            runtime, precision = name.split("-")
            cells = [f"{export[key]:.2g}" for key in ("score", "score_median", "anomaly_map")]
            cells += [str(export["labels_flipped"]), f"{export['image_auroc']:.4f}"]
            rows.append(["", RUNTIMES[runtime] + " " + precision, *cells])
    columns = ["test images", "", "scores, largest:", "median:", "maps, largest:", "labels flipped:", "image AUROC:"]
    return "\n".join([*table(columns, rows), "", f"Preset `{document['preset']}`. {provenance(document)}"])


def provenance(document: dict[str, Any]) -> str:
    """The machine, the threads, the version and the commit, and whether the run was too short to count."""
    machine = document["machine"]
    short = (
        "**A short run, with fewer repetitions or images than the script takes by default.** "
        if document["short"]
        else ""
    )
    instructions = f" ({machine['instructions']})" if "instructions" in machine else ""
    return (
        f"{short}Threads: {document['threads']}; {machine['cores']} cores of an {machine['processor']}{instructions}, "
        f"PyTorch {document['versions']['torch']}, commit {str(document['commit'])[:10]}."
    )
