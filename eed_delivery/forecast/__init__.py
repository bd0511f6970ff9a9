"""When jobs end, and whether that is in time. Calculated from counts alone, without any I/O.

- `speed`       how fast emails end, with a band, from counts at intervals
- `usual`       how fast they ended on the days before, for jobs that have not begun
- `sharing`     how jobs share a speed, their windows and a quota, until each ends
- `ends`        when a job ends, with its band and its retries
- `verdicts`    what that means for a deadline, and what would help
- `standstill`  why a job does not move: the first reason that fits
- `steadiness`  a verdict that changes only once it has lasted
- `deadlines`   deadlines at a time of day
"""
