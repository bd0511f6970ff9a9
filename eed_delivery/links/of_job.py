"""What the emails of one job are to hold that leads back to us.

It is decided once a job, and is nothing unless it is wanted.
"""

from collections.abc import Callable, Container
from functools import partial
from typing import Literal

from eed_delivery.errors import RenderError
from eed_delivery.links.rewriting import tracked
from eed_delivery.links.tokens import Links
from eed_delivery.model import Job
from eed_delivery.rendering.job_links import JobLinks

Offer = Literal["off", "category", "every"]
"""Which emails offer to unsubscribe: none, those of jobs with a category, or those of every job."""

HIGHEST_ID, HIGHEST_GEN = 2**63 - 1, 2**31 - 1


def links_of(links: Links, offer: Offer, job: Job) -> JobLinks:
    """The job's. RenderError when its category is too long a name for a List-Unsubscribe header."""
    return JobLinks(_unsubscribe(links, offer, job.category), _tracked(links, job))


def _unsubscribe(links: Links, offer: Offer, category: str) -> Callable[[int, int], str] | None:
    if offer == "off" or (offer == "category" and not category):
        return None
    try:
        links.unsubscribe(HIGHEST_ID, HIGHEST_GEN, category)
    except ValueError as error:
        raise RenderError(str(error)) from error
    return partial(links.unsubscribe, category=category)


def _tracked(links: Links, job: Job) -> Callable[[int, int, str, Container[str]], str] | None:
    opens, clicks = job.track_opens, job.track_clicks
    if not (opens or clicks):
        return None

    def track(email_id: int, gen: int, html: str, untouched: Container[str]) -> str:
        redirect = partial(links.click, email_id, gen) if clicks else None
        return tracked(html, redirect, links.pixel(email_id, gen) if opens else None, untouched)

    return track
