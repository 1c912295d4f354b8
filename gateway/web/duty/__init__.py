"""The duty page: a listener of its own, no content, six languages, sign-in by passkey (docs/duty-page.md).

``guard`` and ``gate`` decide who gets in, ``looks`` and ``deeds`` are its routes, ``frame`` and ``languages``
what every page is made of. Frame, gate and sessions know nothing of cases: the console stands on the same.
"""
