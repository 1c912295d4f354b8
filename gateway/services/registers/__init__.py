"""Published registers of authorities and treaties: read, compared with our records, taken by a person."""
