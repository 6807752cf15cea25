"""The report of a study: `page.write_report` makes one page that needs nothing else, from the collected tables.

Never torch. This file imports nothing, so that a workflow reads what figures say of themselves without libraries that
draw.
"""
