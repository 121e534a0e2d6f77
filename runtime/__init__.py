"""What makes a site run: settings, connections, logging, health, shutdown, embedded engines."""
