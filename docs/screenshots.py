"""Make the tutorial's pictures: run it in a folder of its own, and look at the report in Chromium.

python docs/screenshots.py [folder]        # a folder where this was run before goes on, as studies do
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parent
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
TOP = 1100, 1190  # pixels of a window that shows the verdict, what the study is made of, and the main table whole


def main(folder: Path) -> None:
    """Write docs/images/*.png."""
    run_tutorial(folder)
    (DOCS / "images").mkdir(exist_ok=True)
    report = folder / "reports/my-images"
    shoot(report / "report.html", DOCS / "images/report.png", TOP)
    shutil.copy(report / "figures/f1_against_unlabelled.png", DOCS / "images/f1_against_unlabelled.png")


def run_tutorial(folder: Path) -> None:
    """Run the tutorial's first block of Python, write its config, and run the study."""
    for name in ("workflow", "profiles", "config"):
        shutil.copytree(DOCS.parent / name, folder / name, dirs_exist_ok=True)
    shutil.copy(DOCS.parent / "Snakefile", folder)
    text = (DOCS / "tutorial.md").read_text(encoding="utf-8")
    if not (folder / "my-images").exists():
        subprocess.run([sys.executable, "-c", block(text, "python")], cwd=folder, check=True)
    (folder / "config/my-images.yaml").write_text(block(text, "yaml"), encoding="utf-8")
    snakemake = [sys.executable, "-m", "snakemake", "--cores", "all", "--configfile", "config/my-images.yaml"]
    subprocess.run(snakemake, cwd=folder, check=True)


def block(text: str, language: str) -> str:
    """The first block of code in a language."""
    return re.search(rf"```{language}\n(.*?)```", text, re.DOTALL)[1]


def shoot(page: Path, picture: Path, window: tuple[int, int]) -> None:
    """A picture of the top of a page, as a window of so many pixels (width, height) shows it."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"error: no browser found; install one of {', '.join(BROWSERS)}")
    with tempfile.TemporaryDirectory() as profile:
        flags = ["--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={profile}"]
        size = ["--window-size={},{}".format(*window), f"--screenshot={picture}"]
        subprocess.run([browser, *flags, *size, page.as_uri()], check=True, capture_output=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]).resolve())
    else:
        with tempfile.TemporaryDirectory() as new:
            main(Path(new))
