"""The whole service as a state machine: hypothesis decides who goes on, who dies and what the world does to them.

Two workers, the publisher and the sweeper are the product's own code over a real database; SQS and the mail server are
in memory. Each of them runs in a thread of its own. The thread stops at every failpoint, before every transaction and
before every call to SQS, until the machine lets it continue or die. So every interleaving of such steps can happen,
each can be replayed, and hypothesis shortens those that break a guarantee.

    actors    threads that go on step by step, and die where they stand
    trouble   what goes wrong at the edges of one process: answers lost, connections refused
    queue     SQS in memory: what it promises, and nothing more
    mail      a mail server in memory: what it was asked, what it answered, what it took
    house     the database, and the product's parts over all of these
    watch     what must hold after every step
    ending    what must hold at the end of the day
    machine   the rules
"""
