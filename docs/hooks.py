"""What MkDocs calls while it builds the site: adds the generated pages, and turns GitHub's Markdown into its own."""

import re
from pathlib import Path
from typing import Any

import front
import generated
import notebooks

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
    if page.file.src_uri == "notebooks.md":
        markdown = notebooks.with_badges(markdown, notebooks.address())
    if page.file.src_uri == FRONT:
        page.meta |= {"title": "autograd_lite", "template": "front.html", "hide": ["navigation", "toc", "footer"]}
        markdown = front.with_charts(markdown)
    return for_site(markdown, page.file.src_uri)


def on_page_content(html: str, page: Any, **_: Any) -> str:
    """Put the live part into the front page, past the reach of Markdown."""
    html = prepared(html)
    return front.with_stepper(html, page.file.content_string) if page.file.src_uri == FRONT else html


def for_site(markdown: str, path: str) -> str:
    """Prompts as Python sessions, no links out of `docs`, and the entries of errors in their place."""
    markdown = markdown.replace("<!-- errors -->", generated.error_entries())
    pieces = re.split(r"(^```.*?^```$)", markdown, flags=re.DOTALL | re.MULTILINE)
    pair = re.match(r"# Coming from (?!another)(.*)", markdown) if path.startswith("coming_from/") else None
    text = "".join(_block(p, wide=pair is None) if p.startswith("```") else _prose(p, path) for p in pieces)
    return (
        text.replace('<div class="pair" markdown>', f'<div class="pair" data-from="{pair[1]}" markdown>')
        if pair
        else text
    )


#: Characters of a line of code that are seen on a wide screen, in the whole width and in the right column of a pair.
SEEN = {True: 91, False: 65}


def _block(block: str, *, wide: bool) -> str:
    """Sessions as such, a pair's other program in colours; comments come near where a line would be cut off."""
    block = re.sub(r"^```python(?=\n>>> )", "```pycon", block)
    if not wide:
        block = re.sub(r"^```text", "```python", block)
    if max(map(len, block.splitlines())) > SEEN[wide]:
        block = re.sub(r"^((?:>>>|\.\.\.) .*\S) {3,}(?=# )", r"\1  ", block, flags=re.MULTILINE)
    return block


def prepared(html: str) -> str:
    """The sessions of a page as `_session` says, and choices as the texts that they are."""
    html = re.sub(r"</code>\s+\)", "</code>)", html)
    html = re.sub(r"\(<code>\(([^()]*)\)</code>", _choices, html)
    return re.sub(r'<div class="([^"]*)highlight">(<pre>.*?</pre>)', _session, html, flags=re.DOTALL)


def _choices(found: re.Match[str]) -> str:
    """The docstring's `{"zero", "none"}`, which mkdocstrings takes for names."""
    names = re.sub(r"<[^>]*>|&#39;|&#34;", "", found[1]).split(", ")
    return "(" + ", ".join(f"<code>&#34;{name}&#34;</code>" for name in names)


def _session(found: re.Match[str]) -> str:
    """The copy button takes what is typed, without prompts and results; the message of an error is not cut off."""
    kind, code = found.groups()
    lines = re.findall(r'<span class="gp">(&gt;&gt;&gt;|\.\.\.) ?</span>(.*)$', code, flags=re.MULTILINE)
    typed, before = "", "&gt;&gt;&gt;"
    for prompt, line in lines:
        typed += "&#10;" if before == "..." != prompt else ""  # Python's own prompt ends a block by an empty line
        typed += re.sub(r"<[^>]*>", "", line).replace('"', "&quot;") + "&#10;"
        before = prompt
    code = re.sub(r'^<span class="gr">.*$', r'<span class="said">\g<0></span>', code, flags=re.MULTILINE)
    return f'<div class="{kind}highlight"' + (f' data-copy="{typed}">' if lines else ">") + code


def _prose(text: str, path: str) -> str:
    """Links that leave `docs` keep their words only: the site has no copy of the sources."""

    def link(found: re.Match[str]) -> str:
        words, target = found.groups()
        inside = re.match(r"[a-z]+:|#", target) or (DOCS / path).parent.joinpath(
            target.split("#")[0]
        ).resolve().is_relative_to(DOCS)
        return found[0] if inside else words

    return re.sub(r"(?<!!)\[([^\]]*)\]\(([^)\s]+)\)", link, text)
