"""One function a command: measure, judge, report."""
