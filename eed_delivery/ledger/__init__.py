"""Our tables, and each conditional UPDATE of DESIGN 3. One room a role:

- `registry`   the publisher's: register, lease and enlist jobs, mark what the queue has taken
- `delivering` the worker's: claim, wire, record, release
- `sweeping`   the sweeper's: put back, settle, finish
- `operating`  the operator's: requeue, settle, pause, resume, cancel
- `scheduling` the operator's, for jobs that wait for their time: see, pause, cancel
- `comparing`  the source's rows beside the ledger's, and the `differences`; `reconciling` puts right what can be
- `reporting`  reads for people
- `acts`       the audit: each act, by whom and why, in its own transaction
- `workers`    heartbeats, and the share of the rate that follows from them

Every change of state names the state, the gen and the token it expects, and checks the matched row count.
"""
