"""When unfinished jobs end, and whether that is in time. Command line, API, pages, metrics and alerts all ask here.

- `queries`  what is asked, once for all who ask within a moment
- `kept`     what the sweeper forecast last, for lists of jobs
- `making`   how forecasts of the jobs of a channel are made
- `running`  a job while its forecast is made, and why it does not move
- `spans`    when jobs may leave over the next days
- `views`    what is answered, and what it is made of
- `words`    the same in words
"""
