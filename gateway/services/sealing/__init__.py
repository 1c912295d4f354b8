"""Encrypting and signing: documents and forms into parts, a bundle under its envelope."""
