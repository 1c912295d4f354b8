"""Media that a person carries: what is written to them, what is taken from them, and the sheet around them.

A medium is a channel like any other (``offline_media``): the same bundles, the same receipts. What stands on
it is untrusted in both directions, and nothing on it is changed or run.
"""
