"""Widespread claims and published test points recomputed."""
