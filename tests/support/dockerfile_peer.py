"""Reads many Dockerfiles with Python's dockerfile-parse and tells what it made of them.

Usage: dockerfile_peer.py FOLDER...

Standard output is one JSON object: name of the file -> {"error": CLASS} or {"labels": {NAME: VALUE}, "parents": [IMAGE],
"instructions": [[KEYWORD, FIRST LINE, LAST LINE]]}, lines from 1 and without comments.
"""

import io
import json
import os
import sys

from dockerfile_parse import DockerfileParser


def read(path):
    with open(path, "rb") as file:
        parser = DockerfileParser(fileobj=io.BytesIO(file.read()))
    try:
        labels, parents, structure = dict(parser.labels), parser.parent_images, parser.structure
    except (ValueError, IndexError) as error:
        return {"error": type(error).__name__}
    instructions = [
        [entry["instruction"], entry["startline"] + 1, entry["endline"] + 1]
        for entry in structure
        if entry["instruction"] != "COMMENT"
    ]
    return {"labels": labels, "parents": parents, "instructions": instructions}


def main():
    json.dump({name: read(os.path.join(top, name)) for top in sys.argv[1:] for name in os.listdir(top)}, sys.stdout)


main()
