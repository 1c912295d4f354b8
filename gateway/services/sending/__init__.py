"""From an officer's form to a bundle in the queue."""
