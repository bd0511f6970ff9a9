"""Amazon SES, API v2.

- `transport`  one POST for each grant
- `answers`    what each answer means
- `wire_time`  how long a send may take
- `kind`       SES for a channel
"""
