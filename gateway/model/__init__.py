"""The law and the rules of the product as pure values: no network, no clock, no table, no cryptography."""
