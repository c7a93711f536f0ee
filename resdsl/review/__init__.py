"""Compare two networks: changed layers, cost differences, and compatibility of old weights."""
