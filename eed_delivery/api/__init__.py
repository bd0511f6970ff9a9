"""The API of the role `operators`, below `/api/v1`. It calls operations, and makes JSON of what they return.

Its conventions, each in one place:

- `openapi`    the application of flask-openapi3, and the file that describes the API
- `routes`     how a route is declared, and which requests are refused before it
- `keyed`      Idempotency-Key: each act is done once
- `versions`   ETag, If-None-Match and If-Match
- `cursors`    cursors of pages, encrypted
- `masking`    addresses are masked without the right to see them
- `schemas`    what requests and answers have in common

Its endpoints:

- `tonight`      whether all is well, as the page Tonight shows it
- `jobs`         jobs, and decisions on them
- `forecasts`    when jobs end
- `submitting`   jobs that callers register
- `emails`       emails
- `doubts`       emails in doubt, and what a relay's log proves of them
- `dead_letters` messages in dead-letter queues that are none of ours
- `lists`        processes, and the audit
- `channels`     channels and their holds
- `holds`        what is held
- `paces`        send rates that people set
- `domain_paces` the pace of destination domains
- `gates`        channels that send nothing, because the way out is broken
- `windows`      when emails may leave
- `suppressions` addresses that are not mailed
- `access`       users, API tokens and sessions
- `metrics`      metrics for Prometheus
- `long_acts`    operations that are done by the side, reports and approvals
- `rehearsals`   jobs whose emails are rendered, and not sent
- `shadows`      comparisons with another server
- `health`       whether this process answers, and whether the service is ready
"""
