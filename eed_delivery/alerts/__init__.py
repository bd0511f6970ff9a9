"""Alerts. One is sent when a log line matches a rule, or a fact is beyond its limit. docs/alerts.md is the manual.

- `rulebook`  which rules a log line matches
- `desk`      receives log lines and facts, and checks them in a thread of its own
- `turns`     whether this process sends the alert: by the table eed_alert, or alone without the database
- `alert`     one alert, as data, text and JSON
- `receivers`  email, SNS and webhook
- `outgoing`  a thread for each receiver, so that one that hangs delays only itself
- `metric_filters` rules as patterns of CloudWatch Logs
- `facts`     the numbers that are checked periodically
"""
