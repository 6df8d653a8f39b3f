"""Completion of command lines in bash, zsh and fish. No torch, and nothing of the user's runs."""
