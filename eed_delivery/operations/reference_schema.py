"""Whether `[source]` maps the reference schema, which alone is written by operations."""

from eed_delivery.config import SourceSettings
from eed_delivery.source.reference import delivery_job

CATEGORY, CHANNEL = delivery_job.c.category.name, delivery_job.c.channel.name
"""The optional columns that the reference schema has and the settings' defaults do not map."""


def is_reference(source: SourceSettings) -> bool:
    """True when `[source]` maps the reference schema. Its status words, values for all jobs, the category and the
    channel may differ, because tables of earlier releases lack their columns."""
    plain = SourceSettings()
    same: dict[str, object] = dict.fromkeys(
        ("category_value", "channel_value", "track_opens_value", "track_clicks_value")
    )
    same["statuses"] = plain.job.statuses
    if source.job.category == CATEGORY:
        same["category"] = plain.job.category
    if source.job.channel == CHANNEL:
        same["channel"] = plain.job.channel
    job = source.job.model_copy(update=same)
    email = source.email.model_copy(update={"statuses": plain.email.statuses})
    return source.model_copy(update={"job": job, "email": email}) == plain
