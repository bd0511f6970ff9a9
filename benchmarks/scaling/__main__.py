"""See the package."""

import argparse
import json
import sys
from pathlib import Path

from benchmarks import scaling
from benchmarks.scaling import predicting, prices, tables


def main() -> int:
    parser = argparse.ArgumentParser(description=scaling.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("one-host", "predict", "compare", "tables", "prices"))
    parser.add_argument("--emails", type=int, default=6_000, help="of one-host: twice as many as it sends")
    parser.add_argument("--bench", type=Path, default=Path("build/bench.json"), help="of compare")
    options = parser.parse_args()
    {"one-host": _one_host, "predict": _predict, "compare": _compare, "tables": _tables, "prices": _prices}[
        options.what
    ](options)
    return 0


def _one_host(options: argparse.Namespace) -> None:
    from benchmarks.scaling.measuring import measure_one_host  # with the benchmark's own packages

    predicting.FOLDER.mkdir(exist_ok=True)
    measure_one_host(predicting.ONE_HOST, options.emails)


def _predict(_: argparse.Namespace) -> None:
    _keep(predicting.PREDICTION, predicting.predict(predicting.row_of(predicting.ONE_HOST, 1)))


def _compare(options: argparse.Namespace) -> None:
    _keep(predicting.OUTCOME, predicting.compare(json.loads(predicting.PREDICTION.read_text()), options.bench))


def _keep(path: Path, facts: dict[str, object]) -> None:
    path.write_text(json.dumps(facts, indent=1) + "\n")
    print(path.read_text(), end="")


def _tables(_: argparse.Namespace) -> None:
    for table in (tables.threads, tables.fleets, tables.days, tables.assumptions, tables.delays):
        print(f"{(table.__doc__ or '').splitlines()[0]}\n")
        print("\n".join(table()), end="\n\n")


def _prices(_: argparse.Namespace) -> None:
    price, assumed, data = prices.load()
    print(prices.table(prices.costs(price, assumed)), end="\n\n")
    print(prices.sources(data))


if __name__ == "__main__":
    sys.exit(main())
