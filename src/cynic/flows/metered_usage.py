"""What a call of OpenAI's or Anthropic's library used, from its answer or from the events of its stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from cynic.flows.spending import LEFT, UNSAID, Report, loads

if TYPE_CHECKING:
    from collections.abc import Mapping

_STANDARD: Final = {"default", "auto", "standard"}
_KINDS: Final = ("service_tier", "speed")
"""What the price of a request may depend on, as both libraries and the price table call it."""


class Tally:
    """What a call used, as far as it was seen."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._usage: dict[str, Any] = {}
        self._id: str | None = None
        self._told: dict[str, Any] = {}
        self._is_whole = False

    def see(self, answer: Any, *, is_whole: bool = False) -> None:
        """Take the id and the usage of an answer or an event, where it has them; later ones count.

        `is_whole` says that nothing can come after it.
        """
        self._is_whole = self._is_whole or is_whole or self._is_last(answer)
        for part in _parts(answer):
            found = getattr(part, "id", None)
            self._id = found if isinstance(found, str) else self._id
            used = _plain(getattr(part, "usage", None))
            self._usage |= {name: value for name, value in used.items() if value is not None}
            for name in _KINDS:
                said = getattr(part, name, None) or used.get(name)
                self._told |= {name: said} if said else {}

    def _is_last(self, answer: Any) -> bool:
        """Whether what it says of the usage is all: an early event tells one too, of what came until then."""
        if self._kind != "anthropic":
            choices = getattr(answer, "choices", None)
            if choices:
                return any(getattr(one, "finish_reason", None) for one in choices)
            return any(getattr(part, "usage", None) for part in _parts(answer))
        event = getattr(answer, "type", None)
        is_final = any(getattr(part, "stop_reason", None) for part in _parts(answer))
        return event == "message_delta" or (event != "message_start" and is_final)

    def report(self, provider: str, model: str) -> Report:
        """What is settled; without a usage it is a call without a price."""
        used = self._usage
        whole, out, parts = (_anthropic if self._kind == "anthropic" else _openai)(used)
        reason = None if self._is_whole else LEFT
        return Report(
            provider=provider,
            model=model,
            tokens_input=whole,
            tokens_output=out,
            usage={unit: count for unit, count in parts.items() if count},
            request=kinds(self._told),
            response_id=self._id,
            source="settle",
            unpriced_reason=reason if used else UNSAID,
        )


def kinds(given: Mapping[str, Any]) -> dict[str, str]:
    """Of what is said of a request, what its price may depend on; the ordinary is not named."""
    found = {name: given.get(name) for name in _KINDS}
    return {
        name: word
        for name, word in found.items()
        if isinstance(word, str) and word not in _STANDARD
    }


def _parts(answer: Any) -> list[Any]:
    """An answer or event, and the answer that an event carries."""
    carried = (getattr(answer, name, None) for name in ("message", "response"))
    return [answer, *(part for part in carried if part is not None)]


def _openai(used: Mapping[str, Any]) -> tuple[int, int, dict[str, int]]:
    """Chat completions and embeddings say prompt and completion, responses say input and output."""
    inside = _plain(used.get("prompt_tokens_details") or used.get("input_tokens_details"))
    outside = _plain(used.get("completion_tokens_details") or used.get("output_tokens_details"))
    parts = {
        "cache_read_tokens": inside.get("cached_tokens") or 0,
        "input_audio_tokens": inside.get("audio_tokens") or 0,
        "output_reasoning_tokens": outside.get("reasoning_tokens") or 0,
        "output_audio_tokens": outside.get("audio_tokens") or 0,
    }
    whole = used.get("prompt_tokens", used.get("input_tokens")) or 0
    return whole, used.get("completion_tokens", used.get("output_tokens")) or 0, parts


def _anthropic(used: Mapping[str, Any]) -> tuple[int, int, dict[str, int]]:
    """Here cached tokens are not among the input tokens: they are added, as parts of the whole."""
    read = used.get("cache_read_input_tokens") or 0
    written = used.get("cache_creation_input_tokens") or 0
    kept = _plain(used.get("cache_creation"))
    parts = {
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "cache_write_1h_tokens": kept.get("ephemeral_1h_input_tokens") or 0,
        "web_searches": _plain(used.get("server_tool_use")).get("web_search_requests") or 0,
    }
    return (used.get("input_tokens") or 0) + read + written, used.get("output_tokens") or 0, parts


def _plain(given: Any) -> dict[str, Any]:
    """The fields of a model of either library, of a dict, or of any object that has some."""
    if given is None:
        return {}
    if isinstance(given, dict):
        return cast("dict[str, Any]", given)
    if hasattr(given, "model_dump_json"):
        return cast("dict[str, Any]", loads(given.model_dump_json()))
    return cast("dict[str, Any]", vars(given))
