# make demo    the whole service on this machine, with a mail server that misbehaves
# make demo-lambda    the same by functions of AWS Lambda, under AWS's own emulator
# make test    every test, with real servers
# make test-quick     the tests that need no server; on MariaDB with DATABASE=mariadb
# make coverage       make test, and which lines it runs
# make faults  try to break it: every fault scenario, a table of what came of it
# make faults-long    the same for a release (hours); with SERVER=mysql on MySQL in place of MariaDB
# make fuzz-api    Schemathesis asks every operation of the API; more with EXAMPLES=1000
# make scan    cfn-lint, checkov and hadolint over the CloudFormation templates, the Terraform modules and the image
# make bench   how fast it is, beside Celery and others: a table
# make bench-500k     500,000 emails with a 60 KB attachment each, ours alone
# make lint    style, types, which module may import which, and the messages of new commits
# make lock    write the lock files in requirements/ from setup.cfg; UPGRADE=--upgrade for the newest versions
# make clean   remove all of it again, but for the MySQL that the tests have fetched
#
# Needs Python 3.11 or later, and nothing else. Another one: make demo PYTHON=python3.12

# The system's, if it will do: distributions build theirs with optimisation, and pyenv does not, which takes some 25 %
# more CPU. Else what `python3` is.
PYTHON ?= $(shell /usr/bin/python3 -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& echo /usr/bin/python3 || echo python3)
SERVER ?= mariadb
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
BENCH := $(VENV)/.installed-bench
FUZZ := $(VENV)/.installed-fuzz
SCAN := build/scan/.installed
EXAMPLES ?= 100
LOCKS := requirements
# Each package by the hash of its file, and none beside: the locks are complete, so there is nothing to resolve.
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
COMPILE := build/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-strip-extras \
	--custom-compile-command "make lock" $(UPGRADE)

# Python keeps what it has compiled, whatever the shell says: else each process that a test starts compiles ours anew.
unexport PYTHONDONTWRITEBYTECODE

.DELETE_ON_ERROR:
.PHONY: demo demo-lambda test test-quick coverage faults faults-long fuzz-api scan bench bench-500k lint lock clean

demo: $(INSTALLED)
	$(BIN)/eed-delivery demo

# The emulator is in the wheel of AWS's SAM CLI: 8 MB, fetched once for all clones.
demo-lambda: $(INSTALLED)
	emulator=$$($(BIN)/python -m tests.servers.lambda_emulator) && $(BIN)/eed-delivery demo --lambda "$$emulator"

# In four processes, because most tests wait more than they work: two leave two cores idle for half of the time.
# build/tests.xml says where the time went: python -m tests.durations build/tests.xml. Coverage costs more CPU, so it is
# measured where CI is set.
WORKERS ?= 4
PYTEST := $(BIN)/pytest -p no:schemathesis -n $(WORKERS) --dist worksteal --junitxml=build/tests.xml
COVERAGE = $(if $(CI),--cov --cov-report=term --cov-fail-under=90)
DATABASE ?= sqlite

# The tests start a MariaDB of their own; its binaries are installed if they are missing and we may, else it says how.
# Those that must hold on MySQL too run on a real one, which is fetched once for all clones into the user's cache
# (~/.cache/eed-delivery-tests, which `make clean` leaves alone). Where it cannot be had they are skipped, and say why.
test: $(INSTALLED)
	$(BIN)/python -m tests.servers.install
	$(PYTEST) $(COVERAGE)

test-quick: $(INSTALLED)
	$(PYTEST) --quick --database $(DATABASE) --hypothesis-profile=dev

coverage:
	$(MAKE) test CI=1

faults: $(INSTALLED)
	$(BIN)/python -m tests.servers.install
	$(BIN)/python -m tests.faults --size short --database $(SERVER)

faults-long: $(INSTALLED)
	$(BIN)/python -m tests.servers.install
	$(BIN)/python -m tests.faults --size long --database $(SERVER)

# It is no package of the tests: it brings six, and would be loaded by each pytest.
fuzz-api: $(FUZZ)
	$(BIN)/python -m tests.fuzz.api --examples $(EXAMPLES)

# 418 MB of packages, some of them older than ours: they have an environment of their own.
scan: $(SCAN)
	build/scan/bin/cfn-lint config/queue.yaml config/events.yaml
	build/scan/bin/hadolint deploy/lambda/Dockerfile
	build/scan/bin/checkov --skip-download --config-file deploy/terraform/.checkov.yaml --directory deploy/terraform

# Nothing else should run on the machine meanwhile.
bench: $(BENCH)
	$(BIN)/python -m tests.servers.install
	$(BIN)/python -m benchmarks --database $(SERVER)

bench-500k: $(BENCH)
	$(BIN)/python -m tests.servers.install
	$(BIN)/python -m benchmarks half_million --output build/bench-500k.json

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python .ci/commit_messages.py

$(INSTALLED): setup.cfg pyproject.toml $(LOCKS)/build.txt $(LOCKS)/tests.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON) here: install Python 3.11 or later." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is too old ($$($(PYTHON) --version 2>&1)): it takes Python 3.11 or later." >&2; \
		echo "If there is one under another name: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian: apt-get install python3-venv" >&2; exit 1; }
	@echo "Installing the packages into $(VENV): about a minute."
	@$(PYTHON) -m venv --clear $(VENV)
	@$(PIP_INSTALL) --quiet --require-hashes -r $(LOCKS)/build.txt -r $(LOCKS)/tests.txt
	@$(PIP_INSTALL) --quiet --no-build-isolation -e .
	@touch $(INSTALLED)
	@echo "Installed in $$(($$(date +%s) - $$(stat -c %Y $(VENV)/pyvenv.cfg))) seconds."

$(BENCH): $(INSTALLED) $(LOCKS)/bench.txt
	$(PIP_INSTALL) --require-hashes -r $(LOCKS)/bench.txt
	touch $(BENCH)

$(FUZZ): $(INSTALLED) $(LOCKS)/fuzz.txt
	$(PIP_INSTALL) --require-hashes -r $(LOCKS)/fuzz.txt
	touch $(FUZZ)

$(SCAN): $(LOCKS)/scan.txt
	$(PYTHON) -m venv build/scan
	build/scan/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCKS)/scan.txt
	touch $(SCAN)

# The largest first: what it settles on holds for the others.
lock:
	$(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(LOCKS)/lock.txt
	$(PYTHON) -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(COMPILE) - --output-file $(LOCKS)/build.txt
	$(COMPILE) setup.cfg --all-extras --output-file $(LOCKS)/bench.txt
	$(COMPILE) setup.cfg --extra demo --extra lambda --extra operators --extra test --extra dev --constraints $(LOCKS)/bench.txt --output-file $(LOCKS)/tests.txt
	$(COMPILE) setup.cfg --constraints $(LOCKS)/bench.txt --output-file $(LOCKS)/run.txt
	$(COMPILE) setup.cfg --extra sftp --constraints $(LOCKS)/bench.txt --output-file $(LOCKS)/sftp.txt
	$(COMPILE) setup.cfg --extra operators --constraints $(LOCKS)/bench.txt --output-file $(LOCKS)/operators.txt
	$(COMPILE) setup.cfg --extra lambda --extra operators --extra sftp --constraints $(LOCKS)/bench.txt --output-file $(LOCKS)/lambda.txt
	echo 'schemathesis >= 4.32' | $(COMPILE) - --constraints $(LOCKS)/tests.txt --output-file $(LOCKS)/fuzz.txt
	echo 'cdktn-provider-aws >= 25' | $(COMPILE) - --no-deps --output-file $(LOCKS)/terraform.txt
	echo 'aws-sam-cli >= 1.170' | $(COMPILE) - --no-deps --output-file $(LOCKS)/emulator.txt
	printf 'cfn-lint >= 1.58\ncheckov >= 3.3\nhadolint-bin >= 2.14\n' | $(COMPILE) - --output-file $(LOCKS)/scan.txt
	echo uv | $(COMPILE) - --output-file $(LOCKS)/lock.txt

clean:
	rm -rf $(VENV) build eed_delivery.egg-info .coverage .coverage.* \
		.hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find eed_delivery tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
	@if [ -f demo-output/.eed-delivery-demo ]; then rm -rf demo-output; fi
