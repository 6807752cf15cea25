"""The report in a real browser: it opens without errors, asks no network, and fits wide and narrow windows."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from builders import examples_of, grid, realistic, tables
from grids import checked
from PIL import Image
from sklearn.datasets import load_digits

from sslfast.report.page import write_report

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium in PATH; install it to test the report in a browser"
)
QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nor shall the browser itself call home
]
# what the window does with the page, left where --dump-dom shows it
MEASURE = """<script>
const box = (e) => e.getBoundingClientRect();
const drawn = [...document.querySelectorAll(".drawing svg")].filter((e) => box(e).width > 200 && box(e).height > 100);
const root = document.documentElement;
document.querySelectorAll(".point")[1].dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
document.body.dataset.found = JSON.stringify({
  cut: [...document.querySelectorAll(".scroll, .drawing")].filter((e) => e.scrollWidth > e.clientWidth + 1).length,
  window: innerWidth, overflow: root.scrollWidth - root.clientWidth, drawn: drawn.length,
  stops: document.querySelectorAll('.point[tabindex="0"]').length,
  said: document.querySelector(".said").textContent,
  told: document.querySelectorAll(".point")[1].getAttribute("aria-label"),
  paper: getComputedStyle(document.body).backgroundColor,
});
</script></body>"""


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> Path:
    """The report of a grid with a run that failed."""

    def score(**run):
        return "a loss was not finite in epoch 2" if (run["seed"], run["u"]) == (1, 1) else realistic(**run)

    folder = tmp_path_factory.mktemp("report")
    records = grid(score, us=["0", "0.1", "0.3", "1"], ls=["0.05", "0.2", "0.5"])
    cells, history = tables(records)
    digits = np.rint(load_digits().images[:4, ..., None] * (255 / 16)).astype(np.uint8)
    study = checked(title="Digits")
    write_report(cells, history, study, folder, examples=examples_of(records, digits))
    return folder / "report.html"


def browse(page: Path, folder: Path, *flags: str) -> subprocess.CompletedProcess:
    """Open `page` in a browser that knows nothing from before."""
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", *flags, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def measured(page: Path, folder: Path, *flags: str) -> dict:
    """What the browser found on the page."""
    copy = folder / "measured.html"
    copy.write_text(page.read_text(encoding="utf-8").replace("</body>", MEASURE), encoding="utf-8")
    dom = browse(copy, folder, "--dump-dom", *flags).stdout
    return json.loads(re.search(r'data-found="([^"]*)"', dom).group(1).replace("&quot;", '"'))


@pytest.mark.parametrize("width", [1200, 400])
def test_every_figure_is_drawn_and_nothing_juts_out_of_the_window(page, tmp_path, width):
    found = measured(page, tmp_path, f"--window-size={width},900")
    assert found["drawn"] == len(list(page.parent.glob("figures/*.svg"))) > 10
    assert found["overflow"] <= 0
    assert found["window"] <= max(width, 500)  # some versions know no narrower window


def test_a_figure_is_one_tab_stop_and_what_is_pointed_at_is_written_under_it(page, tmp_path):
    found = measured(page, tmp_path)
    with_points = [p for p in page.parent.glob("figures/*.svg") if 'class="point"' in p.read_text(encoding="utf-8")]
    assert found["stops"] == len(with_points) > 5
    assert found["said"] == found["told"]
    assert "macro-F1" in found["said"]


def test_it_opens_without_errors_and_without_a_request(page, tmp_path):
    assert asked_for(page, tmp_path) == []
    assert not re.findall(r"(?:src|href|action)=[\"']?https?:", page.read_text(encoding="utf-8"))


def test_a_page_that_asks_the_network_would_be_caught(tmp_path):
    page = tmp_path / "asking.html"
    page.write_text('<!doctype html><title>x</title><img src="http://127.0.0.1:9/picture.png">', encoding="utf-8")
    assert asked_for(page, tmp_path, errors=True) == ["http://127.0.0.1:9/picture.png"]


def asked_for(page: Path, folder: Path, errors: bool = False) -> list[str]:
    """The addresses that the page (not the browser, for itself) asked the network for."""
    log = folder / "net.json"
    result = browse(page, folder, "--dump-dom", "--enable-logging=stderr", f"--log-net-log={log}")
    assert errors or "CONSOLE" not in result.stderr
    events = [event.get("params", {}) for event in json.loads(log.read_text(encoding="utf-8"))["events"]]
    by_a_page = [params for params in events if params.get("initiator", "not an origin") != "not an origin"]
    return sorted({params["url"] for params in by_a_page if params["url"].startswith("http")})


def test_no_table_or_figure_is_cut_on_paper(page, tmp_path):
    """As wide as A4 between its margins; on a screen so narrow, wide tables scroll, which paper does not."""
    on_paper = tmp_path / "paper.html"
    on_paper.write_text(page.read_text(encoding="utf-8").replace("@media print", "@media screen"), encoding="utf-8")
    assert measured(on_paper, tmp_path, "--window-size=718,900")["cut"] == 0
    assert measured(page, tmp_path, "--window-size=500,900")["cut"] > 0


def test_it_prints(page, tmp_path):
    browse(page, tmp_path, f"--print-to-pdf={tmp_path / 'report.pdf'}")
    assert (tmp_path / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_picture_of_the_page_is_not_blank(page, tmp_path):
    browse(page, tmp_path, "--window-size=1200,2000", f"--screenshot={tmp_path / 'page.png'}")
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (1200, 2000)
        colours = picture.convert("RGB").getcolors(maxcolors=1 << 24)
    assert len(colours) > 50
    assert (0, 114, 178) in {colour for _, colour in colours}  # the first method's line
