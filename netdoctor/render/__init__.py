"""Renderers: a report in, a text out. No torch, no terminal."""
