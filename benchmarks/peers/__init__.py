"""What a Python team would write in our place, as well as it can be done in an afternoon, with the same work for each
email.

Each peer keeps its connections, compiles a job's templates once, and commits each email's status. None of them has a
ledger, a grant before the wire or a state for doubt. They are measured for their speed only.
"""
