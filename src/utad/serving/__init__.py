"""Serving over HTTP: worker processes behind one bounded queue, two protocols, metrics, limits."""
