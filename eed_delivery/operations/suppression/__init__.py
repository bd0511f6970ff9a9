"""The list of addresses that are not mailed. Felt at the next claim.

- `listing`  list it, and change it an address at a time
- `moving`   enter a whole file
- `file`     the list as a file
"""
