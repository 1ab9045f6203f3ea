"""Masked tokens of an arm as data sets that trainers load."""

from enum import StrEnum


class FormatName(StrEnum):
    """The formats there are, as `srft export --format` names them."""

    TRL = "trl"
    AXOLOTL_TOKENS = "axolotl-tokens"
    AXOLOTL_MESSAGES = "axolotl-messages"
    AXOLOTL_SPANS = "axolotl-spans"
    OPENAI = "openai"
    MESSAGES = "messages"
    PARQUET = "parquet"
    SKYRL = "skyrl"
    LLAMAFACTORY_TOKENS = "llamafactory-tokens"
    TOGETHER = "together"
    TINKER = "tinker"
    LLAMAFACTORY = "llamafactory"
    MS_SWIFT = "ms-swift"
    SLIME = "slime"
    TORCHTUNE = "torchtune"
    VERL = "verl"
    PRM = "prm"
    DPO = "dpo"
    KTO = "kto"


class Allowed(StrEnum):
    """Kinds that may be published by request. Keys and tokens may not."""

    EMAIL = "email"
    HOME = "home"
    PASSWORD = "password"
