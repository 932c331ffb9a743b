"""What a fair comparison and a reproducible search ask for, answered from the records."""
