"""Alerts: somebody is told when a log line fits a rule, or a fact is beyond its limit. docs/alerts.md is the manual.

- `rulebook`  which rules a log line fits
- `desk`      hears the log, looks lines up in a thread of its own, and decides whether somebody is told now
- `turns`     that decision: once for all processes by the table eed_alert, by this process alone without the database
- `alert`     what is told, and how it reads
- `channels`  the ways out: email, SNS, webhook
- `outgoing`  a thread for each way, so that one that hangs keeps only itself
- `facts`     the numbers that are looked at now and then
"""
