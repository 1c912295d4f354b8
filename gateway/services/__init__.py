"""What the gateway does, and the only place that says what becomes durable together."""
