"""What people hold: everything, a channel, a category or a destination domain.

- `held`     whether something is held, for the statements that ask it for each email
- `ledger`   holds and releases
- `marking`  copies of the holds in the jobs that they concern
- `on_wire`  what is on the wire, and when the last email was let go
"""
