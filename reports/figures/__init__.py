"""Whole figures with their captions."""
