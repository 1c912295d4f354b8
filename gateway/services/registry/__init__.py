"""Networks of authorities: who signs their directory, how it is published, and how it is followed.

A network is a repository of static files after The Update Framework (TUF), verified by python-tuf:
``root`` → ``targets`` → one terminating delegation per State → that State's records. Keys come in pairs
of an Ed25519 and an ML-DSA-65 key (``holders``); drafts collect signatures (``drafts``) until they are
published (``publisher``); a gateway follows the network with its root pinned (``follower``).
Format and rules: docs/decisions/0010-networks-are-tuf-repositories.md.
"""
