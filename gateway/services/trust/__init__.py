"""Whom to believe at night: the sender card, the call-back, and an emergency's second person."""
