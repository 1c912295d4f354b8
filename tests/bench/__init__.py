"""The yardstick: our figures beside those of the usual tools and of bare floors, taken in one run.

``python -m tests.bench`` measures the goals P1 to P13 of docs/performance.md, prints the table and
writes ``build/bench.json``. Only ratios of one run count: peers, floors and ours take turns.
"""
