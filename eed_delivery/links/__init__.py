"""Signed addresses in emails: the pixel, the redirect of a link, and one-click unsubscription.

- `tokens`     signs addresses and reads them
- `markup`     the tags of an HTML text with their places
- `rewriting`  puts the addresses into an email's HTML
- `of_job`     what the emails of one job get
"""
