"""What became of emails after they left.

- `ledger`      events come in
- `statements`  the SQL, tested term by term
- `outcomes`    reads outcomes for people
- `engagement`  opens and clicks
- `acceptance`  how long ago the mail server accepted emails
- `forgetting`  deletes old events
"""
