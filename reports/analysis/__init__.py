"""What the records of a study or of a search come to; nothing here draws or sets text in tables."""
