"""Settings from the environment: the variables `SRFT_…`."""

from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """What people set for every command. Read anew each time: `Settings().database`."""

    model_config = SettingsConfigDict(env_prefix="SRFT_", env_ignore_empty=True)

    database: str | None = None
    """SQLAlchemy URL of the shared state; None is the file `srft.db` in `SRFT_HOME`."""
