"""Our tables, and each conditional UPDATE of the state machine.

- `publishing`   the publisher's side: jobs are registered, leased and enlisted
- `delivering`   the worker's side: claim, wire, record, release
- `sweeping`     the sweeper's side: return, settle, finish
- `operating`    the operator's side: requeue, settle, pause, resume, cancel
- `resending`    sends a sent email once more; `resends` knows which emails are resends
- `reconciling`  compares source and ledger, and puts right what can be
- `reporting`    reads for people
- `acts`         the audit: each act, by whom and why, in its own transaction
- `job_watch`    bounces and complaints of running jobs, and the pause that follows
- `answers`      what mail servers answered to a job's emails
- `tracking`     what became of emails after they left
- `suppression`  addresses that are not mailed again
- `webhooks`     what is reported to the tenant's own system
- `alerts`       which process may send an alert now, and what it is about
- `workers`      heartbeats, and the share of the rate that follows from them
- `schema`       the tables; `migrations` makes them
- `addresses`    the address column; `address_sql` makes canonical addresses in SQL
- `keys`         the source's keys of jobs and emails

Every change of state names the state, the generation and the token it expects, and checks the matched row count.
"""
