"""Every answer that was paid for: kept once, found by the key of its request."""
