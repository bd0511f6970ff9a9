"""Each answer of the usual servers, to all recipients, to some, to one domain: who fails for it, and who is held up.

    python -m tests.faults.replay                        every reply, three spreads, a job of 90 emails
    python -m tests.faults.replay --emails 5000 --distinct   one reply for each way that a reply can be treated

The product's own publisher, worker processes and sweeper work a job off over SQLite, in one thread and on a clock that
stands still unless one of them waits. The queue is in memory, and the mail server is a script whose words go through
`smtp_replies.failure`. So a quarter of an hour of trouble takes a second, and every run is the same.

A large job takes ten seconds. Replies are compared in a normal form, so only what is made of a reply decides how its
run goes (`run.path_of`): `--distinct` takes the first reply of each such path. That each reply gets its path right is
what the runs with 90 emails show.

    clock      the clock, the event that waits by it, and the database's now
    relay      the way out: what is said to whom, and how long
    house      the processes, and their loops
    run        one run, and what must hold at its end
"""
