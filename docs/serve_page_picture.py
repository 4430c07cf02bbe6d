"""Makes the picture of the web page that README shows, from the model of `make demo`.

    python docs/serve_page_picture.py [--model demo] [--chromium PROGRAM]

Serves the model, drops two defective and two normal test images of the demo's category on the page, and takes a picture
of it. Needs the extra `serve`, playwright (`pip install playwright`) and Chromium.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from utad.data import open_category
from utad.data.reading import load_image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))
from measuring.served import ServedProcess

PICTURE = Path(__file__).parent / "images" / "serve-page.png"
SIZE = {"width": 1100, "height": 900}
COLOURS = 256
"""Of the palette of the PNG, which keeps the file small."""


def write_images(folder: Path) -> list[Path]:
    """Two defective and two normal test images as files; the page shows the first."""
    samples = list(open_category("textures", category="brick", seed=0).test)
    chosen = [
        *[sample for sample in samples if sample.defect == "scratch"][:2],
        *[sample for sample in samples if not sample.anomalous][:2],
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
    with tempfile.TemporaryDirectory() as folder:
        files, raw = write_images(Path(folder)), Path(folder) / "page.png"
        with ServedProcess(arguments.model, log=Path(folder) / "log") as server:
            server.wait_until_ready()
            take(f"http://127.0.0.1:{server.port}/", files, arguments.chromium, raw)
        with Image.open(raw) as picture:
            picture.convert("RGB").quantize(COLOURS).save(PICTURE, optimize=True)


if __name__ == "__main__":
    main()
