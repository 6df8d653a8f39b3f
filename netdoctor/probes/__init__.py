"""Probes measure: a live model, data or file in, facts out. They print nothing and judge nothing."""
