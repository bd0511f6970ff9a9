"""The worker process, with the path of one email.

- `process`           what the threads of one process share, and how it starts and stops
- `batch`             one batch of messages in one thread
- `delivery`          the path of one email: render, wire, send, decide, record
- `handover`          the wire of one email, with its copy for the archive
- `journal`           a thread's wires and outcomes on their way to the ledger
- `keeper`            extends visibility timeouts and leases
- `breaker`           stops receiving while the way out is broken
- `send_rate`         this process's share of the send rate
- `reactions`         what one email's outcome means for all the others
- `shared_gate`       the breaker, where hosts and functions share it
- `shared_rate`       turns to send, which hosts and functions take from the ledger
- `destination_pacing` the pace of destination domains at the wire
- `coordination`      whether all share rate and breaker in the same way
- `refusals`          refusals that concern a domain, a job or all emails
- `deferrals`         temporary answers that many recipients share
- `temporary_answers` what a temporary answer costs its email, and when it may fail it
- `job_refusals`      one refusal of most of a job's emails, and single emails that break the way out
- `isolated_renders`  renders emails that may end their process in a process of its own
- `thread_pool`       starts and ends the threads of one process
- `thread_control`    how many of them are worth it, from what `thread_meter` observes
- `thread_meter`      what they achieve
- `stuck_renders`     ends the emails whose rendering was stuck in the process before
- `logged_replies`    mail servers' replies without the recipient, for the log
- `missing_values`    counts values that templates print and emails do not have
"""

from eed_delivery.worker.process import Worker, WorkerParts

__all__ = ["Worker", "WorkerParts"]
