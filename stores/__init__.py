"""One module per noun: the SQL, feed keys and object keys of what is kept. Never publishes."""
