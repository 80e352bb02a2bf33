"""A parser for HTML pages."""

from html.parser import HTMLParser


class Elements(HTMLParser):
    """The tags of a page with their attributes, in order."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
