"""Codes of some areas with their sentences, one module for each; ``gateway.errors`` puts them together."""
