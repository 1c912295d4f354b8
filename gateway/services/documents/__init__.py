"""Documents for people: what an authority publishes of itself, and how pages are set."""
