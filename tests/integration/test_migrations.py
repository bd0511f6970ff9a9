"""The migrations and `schema.py` say the same, on every database."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from eed_delivery import migrations
from eed_delivery.schema import metadata


@pytest.mark.parametrize("kind", ["mariadb", "sqlite"])
def test_the_migrations_build_what_the_schema_says(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = request.getfixturevalue("database_url") if kind == "mariadb" else f"sqlite:///{tmp_path}/db.sqlite3"
    engine = create_engine(url)
    migrations.upgrade(engine)
    migrations.upgrade(engine)  # a second time is no error
    with engine.connect() as connection:
        options = {"version_table": migrations.VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert migrations.current(connection) == migrations.head()
    engine.dispose()
