"""Says which links of the built site lead nowhere, and what of it a browser would ask another host for.

python docs/check_site.py build/site
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED = {("img", "src"), ("script", "src"), ("link", "href"), ("iframe", "src"), ("source", "src"), ("video", "src")}
"""What a browser loads with a page, by tag and attribute."""


class Page(HTMLParser):
    """What a page has to be linked to by, and what it links to.

    Attributes:
        anchors: its ids.
        links: targets of its links within the site, and of what it loads.
        foreign: what it loads from another host.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.foreign: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Called for every tag."""
        for name, value in attrs:
            if value is None:
                continue
            loaded = (tag, name) in LOADED
            if name == "id":
                self.anchors.add(value)
            elif loaded or (tag, name) == ("a", "href"):
                parts = urlsplit(value)
                if not parts.scheme and not parts.netloc:
                    self.links.append(value)
                elif loaded and parts.scheme != "data":
                    self.foreign.append(value)


def problems(site: Path) -> list[str]:
    """One line for each link that leads nowhere and each thing that is loaded from another host."""
    pages = {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site.resolve())
        found += [f"{name}: loads {target} from another host" for target in page.foreign]
        for link in dict.fromkeys(page.links):
            parts = urlsplit(link)
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if not target.is_file():
                found.append(f"{name}: {link} is not there")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                found.append(f"{name}: {link} has no such place")
    for sheet in sorted(site.rglob("*.css")):
        text = sheet.read_text(encoding="utf-8")
        if "url(http" in text or "url(//" in text or "@import" in text:
            found.append(f"{sheet.relative_to(site)}: loads from another place")
    return found


def main() -> int:
    """Prints the problems; exits with 1 if there are any, or if there is no page."""
    site = Path(sys.argv[1])
    if not any(site.rglob("*.html")):
        sys.stderr.write(f"{site} holds no page: run make docs\n")
        return 1
    found = problems(site)
    sys.stderr.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
