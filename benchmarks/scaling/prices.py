"""What 500,000 emails cost, by way of running. Everything is calculated from prices.toml."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DATA = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True)
class Cost:
    """One line. `month` is what it costs a month even if nothing is sent. None: nothing."""

    what: str
    usd: float
    how: str
    month: float | None = None


def load(path: Path = DATA) -> tuple[dict[str, float], dict[str, Any], dict[str, dict[str, Any]]]:
    """Prices by name, assumptions, and each price with its unit, source and date."""
    data = tomllib.loads(path.read_text())
    return {name: one["usd"] for name, one in data["price"].items()}, data["assumed"], data["price"]


def costs(price: dict[str, float], assumed: dict[str, Any]) -> list[Cost]:
    """Compute, then what all ways share."""
    return [*compute(price, assumed), *shared(price, assumed)]


def compute(p: dict[str, float], a: dict[str, Any]) -> list[Cost]:
    """Hosts, tasks and functions."""
    hours = a["emails"] / a["host_rate"] / 3600
    found = [Cost("EC2, m7g.large", hours * p["ec2_arm"], f"{60 * hours:.1f} minutes", a["month_hours"] * p["ec2_arm"])]
    for name in ("arm", "x86"):
        hour = 2 * p[f"fargate_{name}_vcpu"] + 4 * p[f"fargate_{name}_gb"]
        how = f"{60 * hours:.1f} minutes of 2 vCPU and 4 GB"
        found.append(Cost(f"Fargate, {name}", hours * hour, how, a["month_hours"] * hour))
    seconds, invocations = a["emails"] * a["seconds_an_email"], a["emails"] / a["batch"]
    for name in ("arm", "x86"):
        usd = seconds * a["lambda_gb"] * p[f"lambda_{name}"] + invocations * p["lambda_request"]
        how = f"{seconds:,.0f} s of {a['lambda_gb']:g} GB, {invocations:,.0f} invocations"
        found.append(Cost(f"Lambda, {name}", usd, how))
    return found


def shared(p: dict[str, float], a: dict[str, Any]) -> list[Cost]:
    """SES, SQS, and the way out of the VPC."""
    emails, month = a["emails"], a["month_hours"]
    attached, moved = (emails * a[f"{what}_kb"] / 1024**2 for what in ("attachment", "email"))
    requests = 3 * emails / a["batch"]
    ses = emails * p["ses_email"] + attached * p["ses_attachment_gb"]
    sqs = requests * (p["sqs_request"] + p["sqs_fair"])
    zones, endpoints = a["zones"], a["endpoints"]
    return [
        Cost("SES, à la carte", ses, f"{emails:,} emails, {attached:.1f} GB of attachments"),
        Cost("SES, plan Essentials", emails * p["ses_essentials_email"], f"{emails:,} emails"),
        Cost("SQS, fair queue", sqs, f"{requests:,.0f} requests: publish, receive and delete ten at a time"),
        Cost("NAT gateways", moved * p["nat_gb"], f"{moved:.1f} GB", zones * month * p["nat_hour"]),
        Cost(
            "Interface endpoints",
            moved * p["endpoint_gb"],
            f"{moved:.1f} GB",
            zones * endpoints * month * p["endpoint_hour"],
        ),
    ]


def table(found: list[Cost]) -> str:
    """As docs/aws.md has it."""
    lines = ["| What | for 500,000 emails | how much of it | a month, if it is always there |", "|---|---|---|---|"]
    for cost in found:
        month = "" if cost.month is None else f"{cost.month:.2f}"
        lines.append(f"| {cost.what} | {cost.usd:.2f} | {cost.how} | {month} |")
    return "\n".join(lines)


def sources(data: dict[str, dict[str, Any]]) -> str:
    """Each price with its source and date."""
    return "\n".join(f"{one['usd']:<14.10g}{one['unit']:<52}{one['date']}  {one['source']}" for one in data.values())
