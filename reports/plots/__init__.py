"""Numbers onto matplotlib Axes, one look for all."""
