"""What probes measured: frozen results in plain numbers and numpy arrays, without torch."""
