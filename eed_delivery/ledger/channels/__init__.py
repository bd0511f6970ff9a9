"""Channels in the ledger.

- `listing`  those that were created while the service runs
- `held`     whether a channel is held, for the statements that ask it for each email
- `holds`    channels that send nothing for a while, those of the configuration file too
"""
