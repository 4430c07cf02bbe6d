"""Makes the picture of the web page that README shows, from the model of `make demo`.

    python docs/serve_page_picture.py [--model demo] [--chromium PROGRAM]

Serves the model, drops two normal and two defective test images of the demo's category on the page, and takes a picture
of it. Needs the extra `serve`, playwright (`pip install playwright`) and Chromium.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from utad.data import open_category
from utad.data.reading import load_image

PICTURE = Path(__file__).parent / "images" / "serve-page.png"
SIZE = {"width": 1100, "height": 900}
COLOURS = 256
"""Of the PNG, which is a fifth as large with a palette."""

_ADDRESS = re.compile(r"serving .* at (http://127\.0\.0\.1:\d+)\n")


def write_images(folder: Path) -> list[Path]:
    """Two normal and two defective test images as files."""
    samples = list(open_category("textures", category="brick", seed=0).test)
    chosen = [
        *[sample for sample in samples if not sample.anomalous][:2],
        *[sample for sample in samples if sample.defect == "scratch"][:2],
    ]
    files = []
    for sample in chosen:
        files.append(folder / (sample.name.replace("/", "-").removesuffix(".png") + ".png"))
        Image.fromarray(load_image(sample)).save(files[-1])
    return files


def take(address: str, files: list[Path], chromium: str, raw: Path) -> None:
    """Takes the picture."""
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport=SIZE)
        page.set_default_timeout(120_000)
        page.goto(address)
        page.locator("#model:enabled").wait_for()
        page.set_input_files("#files", files)
        page.wait_for_function("n => document.querySelectorAll('#rows tr').length >= n", arg=len(files))
        page.wait_for_function("() => [...document.querySelectorAll('#similar img')].some(image => image.complete)")
        page.screenshot(path=raw, full_page=True)
        browser.close()


def main() -> None:
    """Writes the picture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("demo"))
    parser.add_argument("--chromium", default=shutil.which("chromium") or "chromium")
    arguments = parser.parse_args()
    command = [sys.executable, "-c", "from utad.cli import main; main()", "serve", str(arguments.model), "--port", "0"]
    with tempfile.TemporaryDirectory() as folder:
        files, raw = write_images(Path(folder)), Path(folder) / "page.png"
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            line = server.stdout.readline()
            found = _ADDRESS.fullmatch(line)
            if found is None:
                raise SystemExit(f"the server did not start: {line}")
            take(found[1], files, arguments.chromium, raw)
        finally:
            server.terminate()
            server.wait()
        with Image.open(raw) as picture:
            picture.convert("RGB").quantize(COLOURS).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
