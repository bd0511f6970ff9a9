"""Everything the service leans on, each with a verdict and what to do. Nothing is sent and nothing changed.

- `service`  all of it, one after the other
- `queues`   the queues
- `channels` the ways out of named channels
- `emails`   what emails need on their way
- `parts`    who makes what is checked
"""
