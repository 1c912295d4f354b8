"""Our own receipts as they are issued, and those of peers as they are checked."""
