"""Addresses that are not mailed again.

- `listing`            the list for people
- `thresholds`         which addresses get onto it because of events
- `refused_addresses`  addresses that a mail server calls dead
- `erased`             entries whose address was erased
- `unsubscribing`      recipients who want no more
- `statements`         the SQL, tested term by term
"""
