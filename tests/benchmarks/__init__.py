"""What netdoctor costs, measured against limits and the naive way: `python -m tests.benchmarks`.

A part is a module with `rows() -> Iterator[Row]`, named in `__main__.PARTS`.
"""
