"""Every order of steps: the service as a state machine, with a death possible at every place (tests/faults/model)."""

from tests.faults.judgement import Figures, Told
from tests.faults.model.machine import run
from tests.faults.scenario import Amount, Site, scenario
from tests.servers.database_server import CHEAP_COMMITS


@scenario("model", short=Amount(0, 500), long=Amount(0, 50_000))
def model(site: Site, amount: Amount) -> Told:
    """Sequences of steps, deaths and troubles that hypothesis thinks of; as many as the amount has faults."""
    url = site.own_database(*CHEAP_COMMITS).create_database("model")
    counted = run(url, amount.faults, site.seed)
    faults = counted["crashes"] + counted["troubles"]
    problems = [] if counted["crashes"] and counted["troubles"] else ["nobody died, or nothing went wrong"]
    figures = Figures(emails=counted["emails"], in_doubt=counted["in_doubt"], policy="both")
    return Told(None, faults=faults, problems=problems, figures=figures)
