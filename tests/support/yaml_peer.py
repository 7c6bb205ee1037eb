"""Reads many scalars with Python's yaml, as osbs-client reads container.yaml, and tells what it made of them.

Usage: yaml_peer.py FILE

FILE holds a JSON list of scalars. Standard output is a JSON list of the same length: [CLASS, VALUE], the value of int as
text and of others null; the class "unreadable" where it refuses the scalar.
"""

import json
import sys

import yaml


def read(scalar):
    try:
        value = yaml.safe_load("- " + scalar + "\n")[0]
    except (yaml.YAMLError, ValueError):
        return ["unreadable", None]
    return [type(value).__name__, str(value) if type(value) is int else None]


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        json.dump([read(scalar) for scalar in json.load(file)], sys.stdout)


main()
