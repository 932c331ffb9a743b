"""Intervals, tests, ranks and importance: numbers in, numbers out."""
