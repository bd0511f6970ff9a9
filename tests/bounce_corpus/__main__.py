"""How bounces are judged: `python -m tests.bounce_corpus [--wrong]`. Fails where a goal is missed."""

import argparse
import sys

from tests.bounce_corpus.corpus import corpus
from tests.bounce_corpus.judging import FALSE_HARD, MISSED_HARD, ORDER, RIGHT, judge


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--wrong", action="store_true", help="show each mail that is judged wrongly")
    chosen = options.parse_args()
    judged = judge(corpus())
    print(f"{judged.pairs.total()} mails; down what is wanted, across what they are taken for\n")
    print(f"{'':10}" + "".join(f"{name:>10}" for name in ORDER))
    for wanted in ORDER:
        print(f"{wanted:10}" + "".join(f"{judged.pairs[wanted, got] or '.':>10}" for got in ORDER))
    print(f"\nright       {judged.right:7.2%}   goal at least {RIGHT:.1%}")
    print(f"false hard  {judged.false_hard:7.2%}   goal at most  {FALSE_HARD:.1%}")
    print(f"missed hard {judged.missed_hard:7.2%}   goal at most  {MISSED_HARD:.1%}")
    for mail, got in judged.wrong if chosen.wrong else ():
        print(f"{mail.wanted} taken for {got}: {mail.name}")
    met = judged.right >= RIGHT and judged.false_hard <= FALSE_HARD and judged.missed_hard <= MISSED_HARD
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
