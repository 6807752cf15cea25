"""Pieces of the page: drawings, tables and downloads that stand in it, so that it needs no other file."""

import base64
import io
from html import escape
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from PIL import Image

from ..analysis.table_files import to_csv
from ..analysis.words import p_value

__all__ = ["csv_uri", "inline_svg", "png_uri", "table_html", "table_page"]

COLOURS = 128  # enough for a chart, at a third of the bytes


def inline_svg(path: Path, label: str, described_by: str) -> str:
    """The drawing at `path`, named `label` for those who cannot see it; `described_by` is the id of its caption."""
    svg = path.read_text(encoding="utf-8")
    named = f'<svg role="group" aria-label="{escape(label)}" aria-describedby="{described_by}" '
    return svg[svg.index("<svg") :].replace("<svg ", named, 1)


def png_uri(path: Path) -> str:
    """The picture at `path` as an address that holds it, with fewer colours."""
    target = io.BytesIO()
    with Image.open(path) as image:
        reduced = image.convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        reduced.save(target, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(target.getvalue()).decode()}"


def csv_uri(table: pd.DataFrame) -> str:
    """`table` as the address of a CSV file that holds it, to four figures."""
    text = to_csv(table.drop(columns="sentence", errors="ignore"), float_format="%.4g")
    return "data:text/csv;charset=utf-8," + quote(text, safe=",:;()[]/")


def table_html(table: pd.DataFrame | None, row_header: bool = False) -> str:
    """`table` as HTML whose column headers, and with `row_header` the first cell of each row, are named as such."""
    if table is None or table.empty:
        return ""
    # sentences are for the text, and 'never' is a dash like everything that has no number
    table = table.drop(columns="sentence", errors="ignore").replace([float("inf"), float("-inf")], float("nan"))
    table = table.loc[:, ~table.replace(["", "–"], float("nan")).isna().all()]  # columns with nothing to say
    numeric = [name for name in table.select_dtypes("number") if name in ("p", "p_holm")]
    table = table.assign(**{name: table[name].map(p_value) for name in numeric})
    table = table.set_index(table.columns[0]) if row_header else table
    html = table.to_html(index=row_header, border=0, na_rep="–", float_format="{:.4g}".format, index_names=False)
    if row_header:  # pandas leaves the corner empty
        html = html.replace("<th></th>", f"<th>{escape(str(table.index.name))}</th>", 1)
    head, body = html.split("</thead>")
    return head.replace("<th>", '<th scope="col">') + "</thead>" + body.replace("<th>", '<th scope="row">')


def table_page(title: str, table: pd.DataFrame) -> str:
    """`table` as a small page of its own, for Snakemake's report, which shows HTML but no CSV."""
    style = "body{font:1rem/1.5 sans-serif;margin:1rem}table{border-collapse:collapse}"
    style += "th,td{padding:.25rem .6rem;text-align:left;vertical-align:top;border-bottom:1px solid #ccc}"
    head = f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
    body = table_html(table, row_header=True)
    return f"{head}<style>{style}</style></head><body><h1>{escape(title)}</h1>\n{body}</body></html>\n"
