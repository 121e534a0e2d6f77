"""One module per role: folds events into state, or touches the world outside on their behalf."""
