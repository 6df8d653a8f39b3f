"""Probes measure: a live model, data or file in, facts out. They neither print nor judge."""
