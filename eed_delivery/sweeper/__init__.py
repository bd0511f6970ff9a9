"""What runs beside the workers and puts right what no worker does.

- `sweeper`         returns emails whose lease has ended, and finishes jobs
- `queue_sweep`     one channel's queue: its dead letters, and what it lost
- `job_watch`       pauses a job that has too many bounces or complaints
- `answers_alike`   returns emails that failed by a refusal which many recipients got
- `reconciliation`  compares source and ledger
- `audit_head`      logs the end of the audit's chain
- `send_windows`    writes into jobs when they may leave
- `progress`        counts how far jobs have come
- `forecast_watch`  keeps forecasts, and says when a deadline is at risk
- `aws_figures`     asks SQS and SES for figures that people look at
- `mapping_switch`  invokes no function while nothing can be sent
- `retention`       deletes old events
- `recipients`      replaces the recipients of old jobs
"""
