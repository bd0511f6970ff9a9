"""Rehearsals of jobs: ordered by a person, done by the side, and looked at.

- `orders`    what can be ordered, and what is refused
- `work`      looks at a job's emails page by page, behind what a killed process has seen
- `results`   what rehearsals came to, and their samples
- `sample_mail`  a sample as it goes to a tester, and `sample_sending` sends it
"""
