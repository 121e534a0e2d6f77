"""What is not applied yet, or never will be, is said to be so; it is no drift."""
