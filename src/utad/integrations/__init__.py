"""Scoring inside of other tools."""
