"""A whole site in a folder, and back: tables, the log, and the bytes of every photo."""
