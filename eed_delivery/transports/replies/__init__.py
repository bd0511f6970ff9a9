"""The words of refusals, for answers at sending and for bounces alike.

- `rules`            all rules in their order: the first one that fits says whom a refusal concerns
- `rule`             what a rule is
- `about_us`         rules about our address, sender, authentication and rate
- `about_systems`    rules about the other server's trouble and policies
- `about_content`    rules about the message
- `about_mailboxes`  rules about mailboxes that take nothing at the moment
- `about_addresses`  rules about dead addresses
- `form`             a reply without what differs from one to the next, and patterns over it
- `kinds`            what two refusals of one kind have in common
"""
