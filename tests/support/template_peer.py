"""Does with Python what templates of PipelineRuns and their parameters need.

Usage: template_peer.py FILE

FILE holds {"variables": {NAME: VALUE}, "texts": [TEXT], "values": [JSON]}. Standard output is {"texts": [...], "values": [...]}: each
text after string.Template(...).safe_substitute(variables), and each value as json.dumps(..., sort_keys=True) writes it.
"""

import json
import string
import sys


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        given = json.load(file)
    json.dump(
        {
            "texts": [string.Template(text).safe_substitute(given["variables"]) for text in given["texts"]],
            "values": [json.dumps(value, sort_keys=True) for value in given["values"]],
        },
        sys.stdout,
    )


main()
