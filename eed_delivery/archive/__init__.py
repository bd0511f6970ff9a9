"""The archive: the exact bytes of each accepted email, kept by a channel that has one set.

- `names`      what a copy is called, in the spool and in the archive
- `spool`      the directory of this host in which copies wait
- `usage`      how many bytes the spool holds
- `copies`     the worker's side: a copy before the wire
- `fates`      what becomes of a copy, by what the ledger says
- `archiver`   the role `archive`: takes copies from the spool into the archive
- `role`       the process of that role
- `directory`  an archive that is a directory

An archive in S3 is a `BucketTransport`, as the files of a channel are.

A worker writes a copy before the wire and never asks the archive for anything. The archiver looks each copy up in the
ledger: only the copy of an email that was accepted goes into the archive. So it does not matter where a process died.
"""
