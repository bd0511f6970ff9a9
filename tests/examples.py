"""How many examples a property test tries: as many as it says, or a share of it with `--hypothesis-profile=dev`."""

from hypothesis import settings

DEV_EXAMPLES = 20
CI_EXAMPLES = 100


def examples(count: int) -> int:
    """For `@settings(max_examples=examples(300))`: what the profile that is loaded makes of it."""
    return max(1, count * settings().max_examples // CI_EXAMPLES)
