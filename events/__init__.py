"""What can happen, and how it travels: event declarations, positions, the log and its consumers."""
