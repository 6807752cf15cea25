"""From run records to tables and conclusions. Never imports torch: results are read anywhere.

`results.analyse` answers everything at once, for any table with the columns that `checks.check_cells` names; from the
command line, `python -m sslfast.analysis cells.csv --out DIR`. One file a question: `scores`, `contrasts` (against the
baseline and the control), `plateau`, `equivalence` (worth in labels), `surface`, `data_needed`, `times`, `decision`
(what to get next), `claims` (of the original study). Their functions take a table that `check_cells` has returned.
`simulate` shows how often they are right.
"""
