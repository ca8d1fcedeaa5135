"""Widespread claims and published test points recomputed.

Each claim with the figures that speak on it. Texts are only searched for claims; no figure is written down that is not
computed.
"""
