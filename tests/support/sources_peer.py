"""Reads `sources` files as rpkg does: one JSON list of contents on standard input, one JSON list of results on standard output.

A result is the list of entries ([kind, file, hash]), or null for a file that rpkg refuses.
"""

import json
import os
import sys
import tempfile

from pyrpkg.errors import MalformedLineError
from pyrpkg.sources import SourcesFile

results = []
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "sources")
    for content in json.load(sys.stdin):
        with open(path, "w", encoding="utf-8", newline="") as file:
            file.write(content)
        try:
            entries = SourcesFile(path, "bsd").entries
        except MalformedLineError:
            results.append(None)
        else:
            results.append([[entry.hashtype, entry.file, entry.hash] for entry in entries])
json.dump(results, sys.stdout)
