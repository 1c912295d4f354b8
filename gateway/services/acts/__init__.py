"""Acts that bind the authority: prepared for an officer, signed by passkey over the form, sealed and sent.

Whatever stands for the authority goes through ``Acts``; nothing else decides what vouches for a message
(docs/human-acts.md).
"""
