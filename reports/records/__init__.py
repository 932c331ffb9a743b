"""Read the files that trials left, and say what they hold."""
