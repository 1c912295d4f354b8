"""The demonstration: six fictional requests between twelve authorities, on one machine, for real.

Decides what the story is, which documents it needs and how twelve gateways live side by side on
loopback. Everything it does to a gateway it does as an administrator or an officer would: homes are
made like ``rogatory init`` makes them, services run as ``rogatory serve``, requests go through the local API.
"""
