"""What a command examines: models, checkpoints, data, turned from what the user typed."""
