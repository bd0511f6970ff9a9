"""Channels: named ways out, each with a queue, workers and a rate of its own.

- `channel`  one channel
- `checks`   the settings of a channel by its kind, and what channels must not have in common
- `queue_urls` the URLs of a channel's queues
- `of_file`  the channels of the configuration file
- `directory` all channels: those of the file, and those of the ledger
- `watch`    which worker processes are wanted for them
"""
