"""The audit log: entries become leaves, heads are signed and kept in a second place, proofs are given."""
