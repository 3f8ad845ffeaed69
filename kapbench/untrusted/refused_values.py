"""What a schema of pydantic says against a value, in the words of kapbench."""

import re

from pydantic import ValidationError
from pydantic_core import ErrorDetails

_PYDANTIC = re.compile(r"(?:Input|String|Tuple|List|Dictionary|(URL scheme)) should")
_OWN = ("Value error, ", "Assertion failed, ")  # what pydantic puts before a validator's message
_KINDS = {
    "float_type": "a number",
    "float_parsing": "a number",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a number of 64 bits",
    "int_from_float": "a whole number",
    "bool_type": "true or false",
    "bool_parsing": "true or false",
    "string_type": "a text",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a JSON object",
    "model_type": "a JSON object",
    "model_attributes_type": "a JSON object",
}


def describe_value(refused: ErrorDetails) -> str:
    """What is wrong with a value, as a sentence that shows it, without its key."""
    if kind := _KINDS.get(refused["type"]):
        return f"The value {refused['input']!r:.40} is not {kind}"
    if refused["type"] == "missing":
        return "The key is missing"
    if refused["type"] == "extra_forbidden":
        return "The key is unknown"
    text = refused["msg"]
    if (subject := _PYDANTIC.match(text)) is not None:
        rule = re.sub(r" or instance of \w+", "", text[subject.end() :])
        owner = "its scheme" if subject[1] else "it"
        return f"The value {refused['input']!r:.40} is not valid: {owner} should{rule}"
    for prefix in _OWN:
        text = text.removeprefix(prefix)
    return text[:1].upper() + text[1:]


def describe_key(refused: ErrorDetails, key: str | None = None) -> str:
    """As `describe_value`, with the key.

    Args:
        key: Its name; None: the path that pydantic gives.
    """
    key = ".".join(str(part) for part in refused["loc"]) if key is None else key
    if not key:
        return describe_value(refused)
    if refused["type"] in ("missing", "extra_forbidden"):
        return describe_value(refused).replace("The key", f"Key '{key}'")
    return f"Key '{key}': {describe_value(refused)}"


def describe_first(error: ValidationError) -> str:
    """What is wrong with the first key that a schema refuses."""
    return describe_key(error.errors(include_url=False)[0])
