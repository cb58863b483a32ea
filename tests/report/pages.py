"""A page, parsed."""

import html.parser

from competition import report

NONE = "\N{EN DASH}"


class Page(html.parser.HTMLParser):
    """The tags of a page with their attributes; tables, by caption, as rows of text."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.tables, self.text = [], {}, text
        self.caption, self.inside = "", ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag == "caption":
            self.caption = ""
        if tag == "tr":
            self.tables.setdefault(self.caption, []).append([])
        if tag in ("td", "th"):
            self.tables[self.caption][-1].append("")
        if tag in ("td", "th", "caption"):
            self.inside = tag

    def handle_endtag(self, tag):
        if tag == self.inside:
            self.inside = ""

    def handle_data(self, data):
        if self.inside == "caption":
            self.caption += data
        elif self.inside:
            self.tables[self.caption][-1][-1] += data.strip()

    def all(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


def page_of(dataset, run):
    report.run(dataset, run)
    return Page(run.files.report.read_text(encoding="utf-8"))
