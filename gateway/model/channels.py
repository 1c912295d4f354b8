"""The channels that a gateway can drive, by their codes in a directory record (the code list ``channel``).

How far each protects a bundle is said in ``channel_choice``; the other codes of the list are ways that a
person takes.
"""

#: To the peer's gateway, which answers at once.
HTTPS = "gateway_https"

#: The peer fetches here what waits for it; nothing of ours carries it.
PULL = "https_pull"

#: The sealed bundle in mails, from gateway to gateway.
SEALED_MAIL = "email_sealed"

#: Signed and encrypted mail to people: composed from the bundle, which is sealed for no gateway.
LETTERS = "email_smime"

#: A person carries it on a medium: the bundle stands here until it is exported, and its receipt takes weeks.
CARRIER = "offline_media"
