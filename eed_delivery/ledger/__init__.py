"""Our tables, and each conditional UPDATE of the states in docs/design.md. One package or module for each user:

- `publishing`   the publisher: jobs are registered, leased and enlisted
- `delivering`   the worker: claim, wire, record, release
- `sweeping`     the sweeper: recover, settle, finish
- `dead_letters` messages in dead-letter queues that are none of ours
- `operating`    the operator: requeue, settle, pause, resume, cancel
- `doubts`       the operator: all emails in doubt, and the settlement of many at once
- `resending`    the operator: sends a sent email once more. `resends` knows which emails are resends
- `acts`         the audit: each act, by whom and why, in its own transaction
- `actor`        who acts
- `auditing`     the audit's list, and its rows for what is only read
- `audit_chain`  the audit's chain of hashes
- `figures`      counts of the whole ledger for monitoring
- `backlog`      how many emails wait and may go, and `index_sampling` how many of large jobs
- `progress`     how far unfinished jobs have come, for forecasts
- `forecasts`    the last forecast of each job, and the verdict that was told
- `aws_figures`  what SQS and SES said last
- `duties`       what one process does for all hosts
- `reconciling`  compares source and ledger, and repairs differences
- `archiving`    the archive: copies that are wanted, and those that are there
- `manifests`    manifests of files: which are wanted, what they list, and which are put
- `reporting`    reads for people
- `job_lists`    lists of jobs, and the counts of their emails
- `job_breakdown` a job's emails by domain and by minute, read in pieces
- `searching`    finds emails and jobs over all that there is
- `previewing`   an email with its content, without a claim
- `proofs`       the SHA-256 of what was sent, for people
- `job_watch`    bounces and complaints of running jobs, and the pause that follows
- `job_facts`    what the ledger knows of a job beside its content in the source
- `answers`      what mail servers answered to a job's emails
- `tracking`     what became of emails after they left
- `suppression`  addresses that are not mailed again
- `persons`      what is stored about one address, and its replacement
- `webhooks`     messages to the tenant's own system
- `alerts`       which process may send an alert now, and the facts of alerts
- `channels`     channels that were created while the service runs
- `domain_paces` paces of destination domains, and the turns to send to them
- `holds`        what people hold, and copies of that in jobs
- `gates`        a breaker that hosts and functions share
- `shut_gates`   gates as people see them, and opened by hand
- `send_turns`   turns to send, which hosts and functions take
- `windows`      send windows: when jobs may leave
- `paces`        send rates that people set, and each worker's share
- `access`       users, tokens, sessions, login attempts and idempotency keys
- `long_acts`    acts that are done in chunks, and what a second person has to decide
- `rehearsing`   rehearsals of jobs, and what was seen so far
- `shadowing`    comparisons with another server
- `workers`      heartbeats, and each worker's share of the send rate

What they share:

- `schema`       the tables, `migrations` makes them, and `revision` says which release they are of
- `keys`         the source's keys of jobs and emails
- `addresses`    the address column, and `address_sql` canonical addresses in SQL

Every change of state names the state, the generation and the token that it expects, and checks the matched row count.
"""
