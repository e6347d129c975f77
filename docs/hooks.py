"""What MkDocs calls while it builds the site: adds the generated pages, and turns GitHub's Markdown into its own."""

import re
from pathlib import Path
from typing import Any

import front
import generated

FRONT = "index.md"
DOCS = Path(__file__).resolve().parent


def on_files(files: Any, config: Any) -> Any:
    """Add the generated pages, and the colours."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - the tests import this file without MkDocs

    for path, text in generated.pages().items():
        files.append(File.generated(config, path, content=text))
    files.append(File.generated(config, "assets/palette.css", content=front.colours()))
    return files


def on_post_build(config: Any) -> None:
    """Put the Markdown of each page beside its HTML, for `llms.txt`."""
    for _, _, page in generated.navigation():
        if page:
            target = Path(config.site_dir) / page
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(for_site(generated.text_of(page), page), encoding="utf-8")


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Change what is written for GitHub into what the site needs."""
    if page.file.src_uri.startswith("coming_from/"):
        page.meta["hide"] = ["toc"]  # two programs side by side need the room
    if page.file.src_uri == "changelog.md":
        page.meta["search"] = {"boost": 0.1}  # it names everything
    if page.file.src_uri == FRONT:
        page.meta |= {"title": "autograd_lite", "template": "front.html", "hide": ["navigation", "toc", "footer"]}
        markdown = front.with_charts(markdown)
    return for_site(markdown, page.file.src_uri)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Put the live part into the front page, past the reach of Markdown."""
    return front.with_stepper(html, page.file.content_string) if page.file.src_uri == FRONT else html


def for_site(markdown: str, path: str) -> str:
    """Prompts as Python sessions, no links out of `docs`, and the entries of errors in their place."""
    markdown = markdown.replace("<!-- errors -->", generated.error_entries())
    pieces = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    return "".join(_block(piece) if piece.startswith("```") else _prose(piece, path) for piece in pieces)


def _block(block: str) -> str:
    return re.sub(r"^```python(?=\n>>> )", "```pycon", block)


def _prose(text: str, path: str) -> str:
    """Links that leave `docs` keep their words only: the site has no copy of the sources."""

    def link(found: re.Match[str]) -> str:
        words, target = found.groups()
        inside = re.match(r"[a-z]+:|#", target) or (DOCS / path).parent.joinpath(
            target.split("#")[0]
        ).resolve().is_relative_to(DOCS)
        return found[0] if inside else words

    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", link, text)
