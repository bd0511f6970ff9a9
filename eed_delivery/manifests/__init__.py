"""Manifests: the list of a job's files, put behind them, so that a partner knows that they are all there.

- `contents`  a manifest's CSV and JSON, made on the disk
- `putter`    takes the outstanding manifests of one channel and puts them
"""
