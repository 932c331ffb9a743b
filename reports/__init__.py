"""Comparison reports drawn from the records of trials alone: no torch, no images."""
