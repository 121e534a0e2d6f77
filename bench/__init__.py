"""What the system does, timed: the demo, and one script per question with its reference."""
