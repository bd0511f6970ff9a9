"""Logs of mail servers, read for what became of emails in doubt.

- `dialects`  the tables: how Postfix, Exim, KumoMTA and SES write what they did
- `moments`   the times of lines, with zones and missing years
- `span`      which minutes a log covers
- `sightings` what was seen of one email, and what that proves
- `reading`   a log, read line by line
"""
