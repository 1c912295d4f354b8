"""The folder drop: a watched folder in place of an interface, for case systems without developers.

``out`` holds what is to be sent, ``waiting`` what an officer's passkey is to sign, ``done`` and ``refused``
what became of it, ``in`` what has arrived.
"""
