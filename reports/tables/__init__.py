"""Tables, as numbers and as text: for the page, for CSV files, for LaTeX and for a terminal."""
