"""Acts that take a while (`eed_operation`): each is done in chunks, beside the request that asked for it.

- `long_act`    what a long act is: its kind, its state, and how far it has come
- `statements`  each UPDATE that moves one
- `ledger`      starts, takes, moves, stops and continues them
- `approvals`   what a second person has to decide
- `selections`  which emails or entries an act is about
- `chunks`      the chunks of each kind
- `parts`       jobs and files of recipients that wait to be registered
"""
