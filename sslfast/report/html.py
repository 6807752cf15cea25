"""Pieces of the page: drawings and tables as HTML that stands in it."""

from pathlib import Path

import pandas as pd

__all__ = ["inline_svg", "table_html"]


def inline_svg(path: Path) -> str:
    """The drawing at `path` without what only a file of its own needs."""
    svg = path.read_text(encoding="utf-8")
    return svg[svg.index("<svg") :]


def table_html(table: pd.DataFrame | None, row_header: bool = False) -> str:
    """`table` as HTML whose column headers, and with `row_header` the first cell of each row, are named as such."""
    if table is None or table.empty:
        return ""
    # sentences are for the text, and 'never' is a dash like everything that has no number
    table = table.drop(columns="sentence", errors="ignore").replace([float("inf"), float("-inf")], float("nan"))
    table = table.set_index(table.columns[0]) if row_header else table
    html = table.to_html(index=row_header, border=0, na_rep="–", float_format="{:.4g}".format, index_names=False)
    if row_header:  # pandas leaves the corner empty
        html = html.replace("<th></th>", f"<th>{table.index.name}</th>", 1)
    head, body = html.split("</thead>")
    return head.replace("<th>", '<th scope="col">') + "</thead>" + body.replace("<th>", '<th scope="row">')
