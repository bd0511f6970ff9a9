"""The publisher's side of the ledger.

- `ledger`      registers and leases jobs, and marks what the queue accepted
- `enlisting`   copies the source's rows into the ledger, a chunk at a time
- `by_destination` pending emails by their destination, where domains have a pace
- `known_rows`  rows whose key the ledger has already
- `nudging`     registers one job by its key
- `rehearsed_starts`  jobs that start only if they were rehearsed as they are now
- `scheduling`  jobs that wait for their time
- `served_channels`  whose jobs a publisher takes, and jobs of channels that are not there
"""
