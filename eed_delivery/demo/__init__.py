"""`eed-delivery demo`: the whole service on one machine, with a mail server that misbehaves, and a check of it all.

Nothing here is a stand-in for the service itself: it is the same `eed-delivery run`, with a SQLite file in place of
MySQL, ministack in place of SQS, and a mail server of our own. Needs the extra `demo`.
"""
