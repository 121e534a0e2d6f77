"""The engines of a one-machine site, from their wheels: Valkey twice, PostgreSQL, SeaweedFS, nginx.

Each module writes its engine's configuration into the site's place, gives the command that runs
it, and says when it truly answers. Supervisor runs the commands; tests run them directly.
"""
