"""The command line: one short module a command. Nothing here imports torch at its top."""
