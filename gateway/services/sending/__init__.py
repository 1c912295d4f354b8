"""From an officer's form to a sealed bundle in the queue."""
