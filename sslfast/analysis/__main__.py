"""`python -m sslfast.analysis cells.csv --out DIR`: conclusions from a table of results, wherever it comes from."""

import argparse
import sys
from pathlib import Path

from ..errors import SslfastError, one_line
from .decision import Prices
from .results import Settings, analyse, verdict, write_results
from .table_files import read_table


def main(arguments: list[str] | None = None) -> int:
    """Write all tables and `summary.md`, print the verdict; 0, or 1 after one line on what was wrong."""
    options = _parser().parse_args(arguments)
    try:
        o = options
        prices = Prices(o.price_per_label, o.price_per_unlabelled_image, o.price_per_gpu_hour, o.budget)
        settings = Settings(o.metric, o.delta, o.alpha, o.threshold, o.threshold_metric, o.target, prices, o.judged_by)
        cells = read_table(options.cells)
        history = read_table(options.history) if options.history else None
        shorter = read_table(options.shorter) if options.shorter else None
        results = analyse(cells, history, settings, shorter)
        write_results(results, options.out)
    except (SslfastError, OSError, MemoryError) as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 1
    print("\n".join(verdict(results)))
    print(f"\nThe summary and the tables are in {options.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m sslfast.analysis", description=__doc__.split(": ")[1])
    columns = "method, u, l, seed, n_unlabelled, n_labelled, and test_macro_f1, test_accuracy or both"
    parser.add_argument("cells", type=Path, help=f"table with a row a run, CSV or Parquet: {columns}")
    moments = "method, u, l, seed, epoch (or number of the validation), seconds, macro_f1; updates, if known"
    parser.add_argument("--history", type=Path, help=f"table with a row a run and validation: {moments}")
    halves = "columns of cells, and length (half, of both arms trained for half as long)"
    parser.add_argument("--shorter", type=Path, help=f"table of runs that check the length of training: {halves}")
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables and summary.md")
    parser.add_argument("--metric", default="test_macro_f1", help="score to judge by (%(default)s)")
    parser.add_argument(
        "--judged-by", help="evaluation to judge encoders by, of column evaluate (head, if it is there)"
    )
    parser.add_argument("--delta", type=float, default=0.015, help="smallest gain worth having (%(default)s)")
    parser.add_argument("--alpha", type=float, default=0.05, help="error rate of each family of tests (%(default)s)")
    parser.add_argument("--threshold", type=float, default=0.4, help="validation score to reach (%(default)s)")
    parser.add_argument("--threshold-metric", default="macro_f1", help="its column in the history (%(default)s)")
    parser.add_argument("--target", type=float, action="append", help="test accuracy to ask data for (may be repeated)")
    for name in ("price-per-label", "price-per-unlabelled-image", "price-per-gpu-hour", "budget"):
        parser.add_argument(f"--{name}", type=float)
    return parser


if __name__ == "__main__":
    sys.exit(main())
