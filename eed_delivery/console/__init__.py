"""Pages for people on call. They call operations, and show what those return. Each works without a script.

What they have in common:

- `pages`          all of them, put together
- `routes`         how a page declares its right, its section, and the same by command line and API
- `navigation`     the sections, in their order
- `rendering`      a page in its frame, and messages
- `shown`          how words, times, numbers and states look
- `asking`         what a page's address asks for
- `acting`         confirmation pages, and what follows
- `decisions`      acts on one thing, as a table
- `ends`           when something ends by itself
- `problem_pages`  errors as pages

The pages:

- `login`          log in and out with a password
- `tonight`        what runs, and what stands still
- `jobs`           the list of jobs
- `one_job`        a job, its failures, emails, doubts, domains and history
- `job_decisions`  pause, resume and cancel a job
- `submitting`     register a job
- `submissions`    jobs whose registration broke off
- `emails`         an email
- `dead_letters`   messages in dead-letter queues that are none of ours
- `gates`          a channel whose way out is broken, tried at once
- `processes`      the processes of all hosts
- `channels`       the channels, one of them, its check and its hold
- `channel_changes`  create and change a channel
- `channel_forms`  the form of a kind of channel
- `suppressions`   addresses that are not mailed
- `unsuppressing`  take an address off that list
- `settings`       the pace, and what is held
- `windows`        overrides of send windows
- `people`         users, API tokens and sessions
- `audit`          who did what, and the end of its chain
- `long_acts`      operations, with their progress, and approvals
- `rehearsing`     have a job rehearsed, and what that came to
- `shadowing`      comparisons with another server, and what of them is accepted
- `searching`      a customer's emails over all jobs
- `doubts`         emails in doubt of all jobs, settled from a relay's log
- `previewing`     an email as its customer gets it
- `resending`      an email once more
"""
