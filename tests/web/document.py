"""A page as a test reads it: its elements, its text, and whether every tag is closed where it should be."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

BLOCKS = {"h1", "h2", "h3", "p", "dt", "dd", "td", "th", "li", "title", "text"}
VOID = {"meta", "link", "input", "br", "img"}


@dataclass
class Element:
    tag: str
    attributes: dict[str, str]
    texts: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def has(self, name: str) -> bool:
        return name in self.attributes.get("class", "").split()


class Document(HTMLParser):
    """Every element in order; an element's text holds that of its descendants."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.elements: list[Element] = []
        self._open: list[Element] = []
        self.feed(source)
        self.close()
        assert self._open == [], "not closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"an attribute twice in <{tag}>"
        element = Element(tag, {name: value or "" for name, value in attrs})
        self.elements.append(element)
        if tag not in VOID:
            self._open.append(element)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert tag not in VOID
        assert self._open.pop().tag == tag, f"</{tag}> closes another element"
        if tag in BLOCKS:
            self.handle_data(" ")

    def handle_data(self, data: str) -> None:
        for element in self._open:
            element.texts.append(data)

    def all(self, tag: str, name: str | None = None) -> list[Element]:
        return [e for e in self.elements if e.tag == tag and (name is None or e.has(name))]

    def one(self, tag: str, name: str | None = None) -> Element:
        (found,) = self.all(tag, name)
        return found

    @property
    def text(self) -> str:
        return " ".join(self.one("main").text.split())
