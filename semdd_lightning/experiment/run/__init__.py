"""A run: its directory and who owns it, what it records, how it ends and goes on."""
