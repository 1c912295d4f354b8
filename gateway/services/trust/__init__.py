"""Whom to believe at night: the sender card, and the second person that an emergency owes afterwards."""
