"""Metrics, evaluation of a model against ground truth, and the files that come of it."""
