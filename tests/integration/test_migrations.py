"""The migrations and `schema.py` say the same, on every database."""

from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, inspect

from eed_delivery import migrations
from eed_delivery.schema import VERSION_TABLE, metadata


@pytest.mark.parametrize("kind", ["mariadb", "sqlite"])
def test_the_migrations_build_what_the_schema_says(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = request.getfixturevalue("database_url") if kind == "mariadb" else f"sqlite:///{tmp_path}/db.sqlite3"
    engine = create_engine(url)
    migrations.upgrade(engine)
    migrations.upgrade(engine)  # a second time is no error
    with engine.connect() as connection:
        options = {"version_table": VERSION_TABLE, "compare_type": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert migrations.current(connection) == migrations.head()
    engine.dispose()


@pytest.mark.parametrize("kind", ["mariadb", "sqlite"])
def test_what_was_suppressed_counts_for_every_category(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = request.getfixturevalue("database_url") if kind == "mariadb" else f"sqlite:///{tmp_path}/db.sqlite3"
    engine = create_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        connection.exec_driver_sql(
            "INSERT INTO eed_suppression VALUES ('a@example.com', 'gone', 'bounce', '2026-01-01', '2026-02-01')"
        )
    migrations.upgrade(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO eed_suppression (address, category, reason, source, created_at)"
            " VALUES ('a@example.com', 'news', 'asked', 'operator', '2026-01-01')"
        )
        rows = connection.exec_driver_sql(
            "SELECT address, category, reason, expires_at IS NULL FROM eed_suppression ORDER BY category"
        ).all()
    assert rows == [("a@example.com", "", "gone", 0), ("a@example.com", "news", "asked", 1)]
    keys = inspect(engine).get_pk_constraint("eed_suppression")["constrained_columns"]
    assert keys == ["address", "category"]
    engine.dispose()
