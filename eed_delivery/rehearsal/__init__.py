"""Rehearsal of a job: each email is rendered from the live rows as it would be sent, and nothing is sent.

No transport can be made here. An import contract holds that, and a test counts sockets.

- `findings`      what is wrong with emails, grouped by reason with their keys
- `looked_at`     what is kept of one email until the end
- `texts`         placeholders, greetings without a name, and links in a rendered email
- `branches`      the branches of a job's templates, and which of them an email took
- `files`         the SHA-256 of each attachment that was read
- `asked`         what the processes of a rehearsal are asked for
- `looker`        renders the emails of a page and looks at them, and `lookers` several processes that do
- `kept_lookers`  one that makes samples, kept for a while
- `duplicates`    what several emails have in common, found in bounded memory
- `samples`       which emails are worth a person's look
- `digest`        one digest over all emails, and one over what a job's emails share
- `verdict`       all of it together
"""
