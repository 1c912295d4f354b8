"""S/MIME letters between this gateway and people with an ordinary mail program."""
