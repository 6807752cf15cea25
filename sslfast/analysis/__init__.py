"""From run records to tables and conclusions. Never imports torch, so results can be read on any machine.

`results.analyse` makes all tables of conclusions, from any table with the columns that `checks.check_cells` names. From
the command line: `python -m sslfast.analysis cells.csv --out DIR`. Each question has its own file:

* `scores` and `contrasts`: how good is each setting, and compared with the baseline and the control?
* `plateau`: where does more unlabelled data stop helping?
* `equivalence`: how many labels is pre-training worth? `data_needed`: how much data reaches a target?
* `surface`: error as a function of both amounts of data. `times`: how long until a score is reached?
* `decision`: what to get next. `claims`: do the claims of the original study hold?

Their functions take a table that `check_cells` has returned. Methods of statistics are in `intervals`, `paired`,
`multiple_testing`, `power`, `curves` and `predict`. `simulate` shows how often the conclusions are right.
"""
