"""`python -m sslfast.analysis cells.csv --out DIR`: conclusions from a table of results, whatever program made it."""

import argparse
import sys
from pathlib import Path

from ..errors import ResultsError, SslfastError, one_line, shown
from ..study.names import SUPERVISED
from .comparisons import ALPHA, DELTA
from .decision import Prices
from .results import Results, Settings, analyse
from .summary import findings, write_results
from .table_checks import check_number
from .table_files import read_table
from .words import count


def main(arguments: list[str] | None = None) -> int:
    """Write all tables and `summary.md`, and print the verdict. Returns 0, or 1 after one line on what was wrong."""
    options = _parser().parse_args(arguments)
    try:
        o = options
        check_number("delta", o.delta, 0, 0.5, above=True)  # who writes 1 means a percentage point
        prices = Prices(o.price_per_label, o.price_per_unlabelled_image, o.price_per_gpu_hour, o.budget)
        settings = Settings(o.metric, o.delta, o.alpha, o.threshold, o.threshold_metric, o.target, prices, o.judged_by)
        cells = read_table(options.cells)
        history = read_table(options.history) if options.history else None
        shorter = read_table(options.shorter) if options.shorter else None
        image_noise = read_table(options.image_noise) if options.image_noise else None
        results = analyse(cells, history, settings, shorter, image_noise=image_noise)
        _check_counts(results)
        write_results(results, options.out)
    except (SslfastError, OSError, MemoryError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    print("\n".join(findings(results)))
    if options.metric is None and results.settings.metric != "test_macro_f1":
        print(f"\nJudged by {results.settings.metric}, as the table has no test_macro_f1.")
    if SUPERVISED not in set(results.every.method):
        found = ", ".join(results.every.method.unique())
        print(f"\nNo row has the method {SUPERVISED}, the baseline that trains on the labels alone (found: {found}).")
    print(f"\nThe summary and the tables are in {options.out}")
    return 0


def _check_counts(results: Results) -> None:
    """Raises `ResultsError` if no run of the table has a score, since then nothing can be concluded."""
    every, metric = results.every, results.settings.metric
    if every[metric].notna().any():
        return
    words = ", ".join(f"{shown(word)} {count(n)} times" for word, n in every.status.value_counts().head(3).items())
    raise ResultsError(
        f"cells: no row counts: column status has {words}, and {metric} no score of a run that is ok; expected ok in"
        " status where a run finished, and its score"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sslfast.analysis",
        usage="%(prog)s cells.csv --out DIR [options]",
        description=__doc__.split(": ")[1],
    )
    columns = "method, u, l, seed, n_unlabelled, n_labelled, and test_macro_f1, test_accuracy or both"
    parser.add_argument("cells", type=Path, help=f"table with one row per run, CSV, Parquet or JSON: {columns}")
    moments = "method, u, l, seed, epoch (or number of the validation), seconds, macro_f1; updates, if known"
    parser.add_argument("--history", type=Path, help=f"table with one row per run and validation: {moments}")
    halves = "columns of cells, and length (half, of both arms trained for half as long)"
    parser.add_argument("--shorter", type=Path, help=f"table of runs that check the length of training: {halves}")
    about = "variance of differences by the choice of test images (image_noise.parquet of a study)"
    parser.add_argument("--image-noise", type=Path, help=f"{about}; without it, results hold for these test images")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables and summary.md")
    parser.add_argument("--metric", help="score to judge by (test_macro_f1, or test_accuracy if that is all)")
    parser.add_argument(
        "--judged-by", help="evaluation to judge encoders by, of column evaluate (head, if it is there)"
    )
    parser.add_argument("--delta", type=_fraction, default=DELTA, help="smallest gain worth having (%(default)s)")
    parser.add_argument(
        "--alpha", type=_fraction, default=ALPHA, help="error rate of each family of tests (%(default)s)"
    )
    parser.add_argument("--threshold", type=_fraction, default=0.4, help="validation score to reach (%(default)s)")
    parser.add_argument("--threshold-metric", help="its column in the history (macro_f1, or accuracy if that is all)")
    parser.add_argument(
        "--target", type=_fraction, action="append", help="test accuracy to ask data for (may be repeated)"
    )
    for name in ("price-per-label", "price-per-unlabelled-image", "price-per-gpu-hour", "budget"):
        parser.add_argument(f"--{name}", type=float)
    return parser


def _fraction(text: str) -> float:
    """A fraction, which may be written as `45 %`."""
    number = text.strip().removesuffix("%")
    try:
        return float(number) / (100 if number != text.strip() else 1)
    except ValueError:
        raise argparse.ArgumentTypeError(f"found {shown(text)}, expected a fraction from 0 to 1, as 0.45") from None


if __name__ == "__main__":
    sys.exit(main())
