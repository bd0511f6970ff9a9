"""Amazon SES, API v2.

- `transport`  one POST for each grant
- `answers`    what each answer means
- `kind`       SES for a channel
"""
