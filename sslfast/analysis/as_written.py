"""Reads tables as people write them: other names of columns and methods, numbers as text, words for 'it finished'.

Only what can have a single meaning is accepted. Anything else is an error, in one line that says what to write instead.
"""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api import types

from ..errors import ResultsError, shown
from ..study.names import PIXELS, RANDOM, SUPERVISED
from ..study.stage_table import evaluations

__all__ = ["METRICS", "first", "known_columns", "known_names", "known_statuses", "numbers", "score_hint", "squashed"]

METRICS = ["test_macro_f1", "test_accuracy"]
OK_WORDS = "ok okay finished finish done success succeeded successful complete completed passed true yes 1 1.0"
LOST_WORDS = (
    "failed fail failure diverged crashed crash killed error errored nan timeout timedout cancelled canceled aborted"
    " stopped preempted interrupted oom outofmemory running pending queued missing lost skipped incomplete unfinished"
    " notfinished noresult none false no collapsed"
)
ACCURACY = ["testacc", "acctest", "accuracytest"]
MACRO_F1 = ["testf1macro", "f1macrotest", "macrof1test", "testmacrof1score", "testf1scoremacro"]
ALIASES = {**dict.fromkeys(ACCURACY, "test_accuracy"), **dict.fromkeys(MACRO_F1, "test_macro_f1")}
BASELINE = "supervised baseline supervisedbaseline baselinesupervised supervisedonly supervisedfromscratch fromscratch"
BASELINE += " scratch trainedfromscratch labelsonly labelonly onlylabels labelledonly labeledonly"
UNTRAINED = "random randomencoder randominit randominitialisation randominitialization randomlyinitialised"
UNTRAINED += " randomlyinitialized randomweights untrained untrainedencoder"
UNSURE = "none null no nopretraining nopretrain nossl withoutpretraining fullysupervised oracle sup"
METHODS = {
    **dict.fromkeys(BASELINE.split(), SUPERVISED),
    **dict.fromkeys(UNTRAINED.split(), RANDOM),
    **{name: name for name in (PIXELS, "autoencoder")},
}
CALL_IT = (
    f"call training on the labels alone {SUPERVISED} (it needs no u), and an encoder without pre-training {RANDOM}"
)
THOUSANDS = re.compile(r"[0-9]{1,3}([,' ][0-9]{3})+")
DOTTED = re.compile(r"[0-9]{1,3}(\.[0-9]{3})+")
SEED = re.compile(r"(?:random)?[ _-]*(?:seed|run|rep|s)?[ _=:#-]*([0-9]+)(?:\.0*)?", re.IGNORECASE)
OF_WANDB = re.compile(r"^(config|summary|params|metrics)[./]")  # prefixes of columns in exports of wandb and MLflow


def squashed(name: object) -> str:
    """`name` reduced to small letters and digits, so that `N labelled`, `n-labelled` and `n_labelled` are equal."""
    return re.sub(r"[\W_]", "", str(name).casefold())


def known_columns(table: pd.DataFrame, known: Sequence[str], where: str) -> pd.DataFrame:
    """`table` with columns renamed to those of `known` that they must mean, whatever case, blanks or hyphens they have.

    Columns that already have a known name, and columns that mean none, stay as they are. Raises `ResultsError` if two
    columns could mean the same one.
    """
    twice = table.columns[table.columns.duplicated()]
    if len(twice):
        raise ResultsError(f"{where}: column {shown(twice[0])} is there twice; remove one")
    meant = {squashed(name): name for name in known} | {k: name for k, name in ALIASES.items() if name in known}
    renamed: dict[object, str] = {}
    for column in table:
        name = meant.get(squashed(OF_WANDB.sub("", str(column).strip())))
        if column in known or name is None or name in table:
            continue
        if name in renamed.values():
            other = next(key for key, value in renamed.items() if value == name)
            raise ResultsError(
                f"{where}: columns {shown(other)} and {shown(column)} may both be {name}; rename the one that is"
            )
        renamed[column] = name
    if "status" in known and "status" not in {*table, *renamed.values()}:  # as wandb calls it
        renamed |= {column: "status" for column in table if squashed(column) == "state" and _all_known(table[column])}
    return table.rename(columns=renamed)


def known_names(table: pd.DataFrame, where: str) -> pd.DataFrame:
    """`table` with methods and evaluations renamed to the analysis's own names, and names without blanks around them.

    Raises `ResultsError`, naming `where`, for a method that could mean two things, or that is written in two ways.
    """
    found = table.copy()
    for name in ("study", "dataset", "method", "encoder", "evaluate", "pool", "budget"):
        if name in found and not types.is_numeric_dtype(found[name]):
            trimmed = {word: word.strip() for word in found[name].dropna().unique() if isinstance(word, str)}
            found[name] = found[name].replace({a: b or np.nan for a, b in trimmed.items() if a != b})
    said = [word for word in found.method.dropna().unique() if isinstance(word, str)]
    unsure = [word for word in said if squashed(word) in UNSURE.split()]
    if unsure:
        raise ResultsError(f"{where}: column method: found {shown(unsure[0])}, which may be two things; {CALL_IT}")
    meant = {word: METHODS.get(squashed(word), word) for word in said}
    for name in (SUPERVISED, RANDOM):
        words = sorted(word for word, method in meant.items() if method == name)
        if len({squashed(word) for word in words}) > 1:
            raise ResultsError(
                f"{where}: column method: found {shown(words[0])} and {shown(words[1])}, which may both be {name};"
                f" {CALL_IT}"
            )
    alike: dict[str, str] = {}
    for word, method in meant.items():
        if word == method and alike.setdefault(squashed(word), word) != word:
            raise ResultsError(
                f"{where}: column method: found {shown(alike[squashed(word)])} and {shown(word)}; write one of them"
            )
    found["method"] = found.method.replace({a: b for a, b in meant.items() if a != b})
    if "evaluate" in found:
        ways = [word for word in found.evaluate.dropna().unique() if isinstance(word, str)]
        named = {word: name for word in ways for name in evaluations() if squashed(word) == squashed(name) != word}
        found["evaluate"] = found.evaluate.replace(named)
    return found


def known_statuses(column: pd.Series, scored: pd.Series, where: str) -> pd.Series:
    """`column` of statuses, with `ok` for every word that means it; other words stay.

    `scored`: which rows have a score. An unknown word in a row without a score is taken for the reason why there is
    none. In a row with a score, it would exclude the run from every result, so it raises `ResultsError`.
    """
    words = {
        word: squashed(word) if isinstance(word, str) else str(word).casefold() for word in column.dropna().unique()
    }
    ok = [word for word, text in words.items() if text in OK_WORDS.split() or str(word).strip() == "1.0"]
    lost = [word for word, text in words.items() if text in LOST_WORDS.split()]
    strange = column.notna() & ~column.isin([*ok, *lost]) & scored
    if strange.any():
        some = ", ".join(shown(str(word)) for word in column[strange].unique()[:3])
        n = int(strange.sum())
        raise ResultsError(
            f"{where}: column status: found {some} in {n} row{'s' * (n > 1)} with a score; write ok (or finished, done,"
            " success, completed, true, 1) for a run that counts, failed or diverged for one that does not"
        )
    said = column.where(column.isna(), column.astype(str).str.strip())
    return said.where(~column.isin(ok), "ok")


def numbers(column: pd.Series, what: str, kind: str = "") -> pd.Series:
    """`column` as numbers. Raises `ResultsError`, naming `what`, for a value that is no number.

    `kind` says which texts are numbers, too. In a `share` (a score or fraction) `45 %` is 0.45; in a `count` `45,000`
    is 45000; a `seed` may be written `seed3`. Elsewhere commas are decimal commas, if no text of the column has a point
    and they cannot separate thousands.
    """
    texts = column if types.is_numeric_dtype(column) else _plain(column, kind)
    try:
        found = pd.to_numeric(texts, errors="coerce").astype(float)
    except OverflowError:  # whole numbers of hundreds of digits
        found = pd.to_numeric(texts.astype(str), errors="coerce").astype(float)
    if kind == "share" and texts is not column:
        percent = texts.astype(str).str.endswith("%") & texts.notna()
        found[percent] = pd.to_numeric(texts[percent].astype(str).str[:-1], errors="coerce").astype(float) / 100
    broken = (found.isna() & column.notna()) | np.isinf(found)
    if broken.any() or types.is_bool_dtype(column):
        value = shown(column[broken].iloc[0]) if broken.any() else "true or false"
        hint = {"seed": "whole number (0, 1, 2, …)", "count": "number of images, without points or commas"}
        expected = hint.get(kind, "number (decimals with a point)")
        raise ResultsError(f"{what}: found {value} in row {first(broken)}, expected a {expected}")
    return found


def score_hint(table: pd.DataFrame) -> str:
    """The hint of an error about a table without any of `METRICS`: which column may be a score, and how to use it."""
    likely = [c for c in map(str, table) if re.search(r"acc|f1|fscore|score|top1|metric|auc|result", squashed(c))]
    if not likely:
        return "expected one of them, or both, from 0 to 1"
    name = likely[0]
    return (
        f"is it column {shown(name)}? rename that test_accuracy if it is the accuracy on the test images,"
        f" test_macro_f1 if it is their macro-F1, or judge by it as it is: --metric {name}"
    )


def first(rows: pd.Series) -> int:
    """The number of the first row that is True, counted from 1 without the header."""
    return int(np.argmax(rows.to_numpy())) + 1


def _all_known(column: pd.Series) -> bool:
    return all(squashed(word) in f"{OK_WORDS} {LOST_WORDS}".split() for word in column.dropna().unique())


def _plain(column: pd.Series, kind: str) -> pd.Series:
    """`column` with texts rewritten for `to_numeric` where they can mean only one number; others stay as they are."""
    is_text = column.map(lambda value: isinstance(value, str))
    if not is_text.any():
        return column
    texts = column[is_text].str.replace(r"[\u00a0\u2009\u202f]", " ", regex=True).str.strip()
    texts = texts.str.replace("\u2212", "-").str.replace(r"\s+%$", "%", regex=True)
    every = pd.concat([texts, column[~is_text].dropna().map(str)])
    if kind == "count":
        thousands = texts.map(lambda text: bool(THOUSANDS.fullmatch(text)))
        texts = texts.where(~thousands, texts.str.replace(r"[,' ]", "", regex=True))
        dotted = texts.map(lambda text: bool(DOTTED.fullmatch(text)))
        texts = texts.where(~dotted, "ambiguous")  # 45.000 may be 45, or 45,000
    elif kind == "seed":
        seeds = texts.map(lambda text: found[1] if (found := SEED.fullmatch(text)) else text)
        # with other words in the column, `seed 0` and `run 0` would become the same
        texts = seeds if texts.str.replace(r"[0-9]+(\.0*)?$", "", regex=True).nunique() == 1 else texts
    elif not every.str.contains(".", regex=False).any():
        grouped = texts.map(lambda text: bool(THOUSANDS.fullmatch(text)) and not text.startswith("0"))
        if kind == "share" or not grouped.any():
            texts = texts.str.replace(",", ".", regex=False)
    plain = column.astype(object)
    plain[is_text] = texts
    return plain
