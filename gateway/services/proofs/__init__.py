"""Receipts: our own issued and sent, those of peers checked and filed."""
