"""The folder drop: a watched folder in place of an interface, for case systems without developers.

``out`` holds what is to be sent, ``done`` and ``refused`` what became of it, ``in`` what has arrived.
"""
