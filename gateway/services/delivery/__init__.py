"""From the queue to the peer: attempts, channels one after the other, and what comes of them."""
