"""Everything that becomes durable: tables, transactions, blobs. Knows no cryptography and no transport."""
