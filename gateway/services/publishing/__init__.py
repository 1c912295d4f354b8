"""Publishing a network's directory: who may change what, when it counts, and the files that travel.

The library that drafts, signs and publishes is ``services.registry``; here stand the rules people keep:
holders' key files, four eyes, cooling-off, keys that follow one another, and emergency notices.
"""
