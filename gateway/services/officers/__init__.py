"""The officers of this authority: who they are, with which passkeys they sign, and who vouched for them.

A person is known outside by a pseudonym only. No password exists: an officer signs in and signs acts with
a passkey, and a second person confirms every passkey before it counts (docs/human-acts.md).
"""
