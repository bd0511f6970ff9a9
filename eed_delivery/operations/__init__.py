"""What an operator can ask and decide, for every surface (the command line, an API, a page, a function in the cloud).

A request is a frozen dataclass, and so is its result. Nothing here prints, reads a terminal, an environment or a path
of the caller, or ends the process. What is refused is an error of `refusals`, or another one of `errors`. Who acts is
an `Actor`, which the surface hands in. `app.operations` puts the parts together. One module a subject:

- `jobs`, `emails`, `processes`   lists with a limit and a cursor, and one with all that is known of it
- `tonight`, `standing`           what runs, what stands still, and why
- `forecasts`                     when jobs end, and whether that is in time
- `job_counts`, `snapshots`       figures that all viewers share
- `searching`                     a customer's emails over all jobs
- `previewing`                    an email as its customer gets it
- `looks`                         what a count looks for, for the audit
- `keys`                          which job or email a key of the source names, and why none
- `watching`                      follow a job until it has finished
- `requeueing`, `resending`       send again what has failed, or was sent
- `deciding`                      settle, pause, resume, cancel
- `doubts`                        emails in doubt of all jobs, settled from a relay's log
- `dead_letters`                  messages in dead-letter queues that are none of ours
- `reconciling`                   the source against the ledger
- `reporting`                     a job's report and certificate
- `submitting`                    register a job, in the reference schema (`reference_schema`)
- `suppression`                   addresses that are not mailed
- `persons`                       what is stored about a person, and its erasure
- `coordination`                  whether all that send share the rate in the same way
- `channels`, `channel_fields`    channels and holds of them, and the settings of a kind one by one
- `channel_views`                 channels as people see them
- `channel_changes`               a channel created, changed or removed
- `channel_checks`                a channel tried, its queue and its way out
- `channel_settings`              what a channel's settings are: schema, texts, and where files are put by them
- `checks_at_once`                how many channels are checked at the same time
- `holds`                         what people hold, with the proof of what left last
- `paces`                         send rates that people set
- `domain_paces`                  the pace of destination domains, and what waits for it
- `windows`                       when emails may leave, and overrides of that
- `alerting`, `webhooks`          alert rules and webhooks, and whether their channels work
- `bounces`                       one bounce, as a mail server hands it over
- `access`                        users and API tokens
- `nudging`                       register a job now
- `rehearsing`                    rehearsals of jobs, and what they came to
- `shadowing`                     comparisons with another server
- `repeats`                       requests that come again
- `long_acts`                     acts that are done by the side, reports, and approvals
- `readiness`                     whether the service can do its work
- `figures`, `cloudwatch`         figures of the ledger for monitoring, and how they get to CloudWatch
- `aws_figures`                   what SQS and SES said last to a sweeper
- `gates`                         channels that send nothing, because the way out is broken
- `auditing`                      who did what, from where and why
- `preparing`, `queue_making`     tables and queues, before the first run
- `ledger_revision`               whether the tables are of this release
- `checking`                      everything the service leans on
- `text_files`                    files of lines and rows that people made
- `actor`, `refusals`, `values`   who acts, what is refused, values that several requests have
"""
