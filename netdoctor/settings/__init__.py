"""How settings are read, checked and found: files, `key=value` texts, values. No torch."""
