"""
Record what two Djangos do to the databases of a project, and compare it.

guard.py     puts scratch databases in the place of the configured ones
recorder.py  runs commands under one Django; guard and recorder run in the
             project's own Python
project.py   starts the recorder, with one Django or another
records.py   finds the first difference of two records
check.py     the steps of ./check_project.py, and what a difference comes from
report.py    writes what was found as text, JSON and HTML
"""
