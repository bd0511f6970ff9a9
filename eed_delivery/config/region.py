"""AWS regions, as operators write them."""

import re

# us-east-2, us-gov-west-1, us-iso-east-1, eusc-de-east-1; the shape only, so that a new region needs no new release.
# https://docs.aws.amazon.com/general/latest/gr/rande.html
REGION = re.compile(r"[a-z]{2,4}(-[a-z]{2,12}){1,2}-[0-9]{1,2}")
AVAILABILITY_ZONE = re.compile(rf"({REGION.pattern})[a-z]")


def normalise_region(text: str) -> str:
    """The region in AWS's own spelling: `US_EAST_2` and `us_east_2`, as Java projects write it, become `us-east-2`.

    Raises ValueError, with what would be right, for anything that cannot be a region.
    """
    region = text.strip().lower().replace("_", "-")
    if REGION.fullmatch(region):
        return region
    if zone := AVAILABILITY_ZONE.fullmatch(region):
        raise ValueError(f"This is an availability zone; its region is {zone[1]}")
    raise ValueError("A region looks like us-east-2")
