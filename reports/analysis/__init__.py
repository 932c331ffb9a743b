"""Analysis of the records of a study or of a search; nothing here draws or sets text in tables."""
