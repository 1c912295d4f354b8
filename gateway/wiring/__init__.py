"""The wiring of one gateway, room by room: what it stands on, its channels, its services.

``ground`` opens what lies in the home, ``channels`` makes what carries bundles, ``services`` what works on
both; ``mail``, ``letters``, ``carrying`` and ``health`` are areas of it, ``founding`` makes a home's first
database and log. Only here, in ``gateway.app`` and in ``gateway.cli`` are things constructed; nothing here
listens, runs or decides.
"""
