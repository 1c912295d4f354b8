"""The private keys of the authority: kept, used, begun and ended."""
